"""Host certificates: a key that an authority has signed for hosts by name. No paramiko.

Source: OpenSSH's PROTOCOL.certkeys, and sshkey_cert_check_host (sshkey.c).
"""

import base64
import struct
import time

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

from engine.boards.ssh_config import patterns
from engine.texts import printable


def signer(certificate: bytes) -> bytes | None:
    """The public key, as known hosts files hold it, of whoever signed a certificate; None for what is none, or forged.

    A signature by SHA-1 counts as none, as it does for ssh.
    """
    parsed = _parse(certificate)
    if parsed is None:
        return None
    try:
        parsed.verify_cert_signature()
        key = parsed.signature_key()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return None
    if isinstance(key, RSAPublicKey):
        before_signature = certificate[: -4 - (key.key_size + 7) // 8]
        if not before_signature.endswith((b"rsa-sha2-256", b"rsa-sha2-512")):
            return None
    return base64.b64decode(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])


def fault(certificate: bytes, host: str) -> str:
    """What forbids to take a certificate, whose signer is trusted, for a host; "" when nothing does."""
    parsed = _parse(certificate)
    if parsed is None or parsed.type is not SSHCertificateType.HOST:
        return "its certificate is not one for hosts"
    now = time.time()
    if now < parsed.valid_after:
        return "its certificate is not yet valid; is the clock right?"
    if now >= parsed.valid_before:
        return "its certificate has expired"
    if parsed.critical_options:
        return "its certificate has options that we do not know"
    names = [name.decode(errors="replace") for name in parsed.valid_principals]
    if not any(patterns.matches(name, host) for name in names):
        known = printable(", ".join(names), 200) or "no host"
        return f"its certificate is for {known}, and not for {host}"
    return ""


def _parse(certificate: bytes) -> SSHCertificate | None:
    """The certificate in bytes that a server sent; None where they are none."""
    try:
        (size,) = struct.unpack_from(">I", certificate)
        parsed = load_ssh_public_identity(certificate[4 : 4 + size] + b" " + base64.b64encode(certificate))
    except (UnsupportedAlgorithm, ValueError, struct.error):
        return None
    return parsed if isinstance(parsed, SSHCertificate) else None
