"""The user's key files, in any format that ssh takes: OpenSSH's own, the older ones by kind of key, and PKCS #8."""

import base64
import struct
from io import StringIO
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from engine.storage import files

_CLASSES = (
    (Ed25519PrivateKey, paramiko.Ed25519Key),
    (EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (RSAPrivateKey, paramiko.RSAKey),
)
_OPENSSH = b"openssh-key-v1\0"


class Encrypted(ValueError):
    """The key file wants a passphrase."""


def load_key(file: Path) -> Any:
    """The private key in a file, with the certificate beside it where there is one.

    Raises OSError; Encrypted; ValueError, with the reason, for what holds no key that can be used.
    """
    data = files.read_bytes(file, links=True)
    if b"PRIVATE KEY" not in data:
        raise ValueError("it holds no private key")
    key = _parse(data)
    kind = next((kind for known, kind in _CLASSES if isinstance(key, known)), None)
    if kind is None:
        raise ValueError("its kind of key is not supported; make one with: ssh-keygen -t ed25519")
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    loaded = kind.from_private_key(StringIO(text))
    _add_certificate(loaded, file)
    return loaded


def _parse(data: bytes) -> Any:
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            return serialization.load_ssh_private_key(data, None)
        return serialization.load_pem_private_key(data, None)
    except TypeError:
        raise Encrypted("it is encrypted") from None
    except UnsupportedAlgorithm:
        raise ValueError("its kind of key is not supported; make one with: ssh-keygen -t ed25519") from None
    except ValueError:
        raise ValueError("it is damaged") from None


def _add_certificate(key: Any, file: Path) -> None:
    """Gives a key the certificate that lies beside its file, as ssh-keygen -s leaves it."""
    beside = file.with_name(f"{file.name}-cert.pub")
    try:
        text = files.read_bytes(beside, links=True).decode()
    except FileNotFoundError:
        return
    try:
        key.load_certificate(text)
    except (paramiko.SSHException, ValueError, IndexError) as error:
        raise ValueError(f"the certificate {beside} beside it is damaged: {error}") from None


def read_public_key(file: Path) -> bytes | None:
    """The public key of a key file, so that an encrypted key can be recognised, too; None where it cannot be told.

    It is in the .pub file beside, and in front of a key in OpenSSH's own format (PROTOCOL.key).
    """
    public = file if file.suffix == ".pub" else file.with_name(file.name + ".pub")
    try:
        return base64.b64decode(files.read_bytes(public, links=True).split(None, 2)[1], validate=True)
    except (OSError, ValueError, IndexError):
        return _public_part(file)


def _public_part(file: Path) -> bytes | None:
    try:
        lines = files.read_bytes(file, links=True).splitlines()
        begin, end = (lines.index(b"-----%s OPENSSH PRIVATE KEY-----" % word) for word in (b"BEGIN", b"END"))
        data = base64.b64decode(b"".join(lines[begin + 1 : end]), validate=True)
        if not data.startswith(_OPENSSH):
            return None
        place = len(_OPENSSH)
        for _ in range(3):  # the cipher, how the passphrase becomes its key, and the options of that
            place += 4 + struct.unpack_from(">I", data, place)[0]
        size = struct.unpack_from(">I", data, place + 4)[0]  # behind the number of keys
    except (OSError, ValueError, struct.error):
        return None
    return data[place + 8 : place + 8 + size]
