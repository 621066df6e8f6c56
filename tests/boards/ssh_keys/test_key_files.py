"""Key files in every format that ssh takes, and what is said of those that cannot be used."""

import subprocess
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from engine.boards.ssh_keys.key_files import Encrypted, load_key, read_public_key
from tests.support.sshd import make_key

PRIVATE = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}
PEM = serialization.Encoding.PEM
FORMATS = serialization.PrivateFormat


def write(file: Path, key: object, form: FORMATS, passphrase: bytes = b"") -> Path:
    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    file.write_bytes(key.private_bytes(PEM, form, secret))  # type: ignore[attr-defined]
    return file


@pytest.mark.parametrize("kind", PRIVATE)
@pytest.mark.parametrize("form", [FORMATS.PKCS8, FORMATS.OpenSSH, FORMATS.TraditionalOpenSSL])
def test_a_key_is_read_in_every_format(tmp_path: Path, kind: str, form: FORMATS) -> None:
    if kind == "ed25519" and form is FORMATS.TraditionalOpenSSL:
        form = FORMATS.PKCS8  # which has the only older format of this kind
    key = PRIVATE[kind]()
    loaded = load_key(write(tmp_path / "key", key, form))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert public.split()[1].decode() == loaded.get_base64()
    signature = loaded.sign_ssh_data(b"data", "rsa-sha2-256" if kind == "rsa" else loaded.get_name())
    verifier = paramiko.PKey.from_type_string(loaded.get_name(), loaded.asbytes())
    assert verifier.verify_ssh_sig(b"data", paramiko.Message(signature.asbytes()))


@pytest.mark.parametrize("form", [FORMATS.PKCS8, FORMATS.OpenSSH, FORMATS.TraditionalOpenSSL])
def test_an_encrypted_key_of_any_format_is_told_from_a_damaged_one(tmp_path: Path, form: FORMATS) -> None:
    file = write(tmp_path / "key", PRIVATE["ecdsa"](), form, b"secret words")
    with pytest.raises(Encrypted):
        load_key(file)
    text = file.read_text().splitlines()
    file.write_text("\n".join([*text[:2], *text[-1:]]) + "\n")
    with pytest.raises(ValueError, match=r"damaged|encrypted"):
        load_key(file)


def test_a_kind_of_key_that_ssh_gave_up_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "key", dsa.generate_private_key(1024), FORMATS.PKCS8)
    with pytest.raises(ValueError, match="its kind of key is not supported; make one with: ssh-keygen"):
        load_key(file)


@pytest.mark.parametrize(
    "text", ["", "no key", "ssh-ed25519 AAAA me", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "\0" * 99]
)
def test_what_is_no_private_key_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(ValueError, match=r"it holds no private key|it is damaged"):
        load_key(tmp_path / "key")


def test_the_certificate_beside_a_key_comes_with_it(tmp_path: Path) -> None:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "key")
    assert not load_key(key).public_blob
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", "nvidia", str(key.with_suffix(".pub"))]
    subprocess.run(sign, check=True, capture_output=True)
    assert load_key(key).public_blob.key_type == "ssh-ed25519-cert-v01@openssh.com"
    (tmp_path / "key-cert.pub").write_text("nothing")
    with pytest.raises(ValueError, match=r"the certificate .*key-cert\.pub beside it is damaged"):
        load_key(key)


def test_the_public_half_of_an_encrypted_key_is_read_from_beside_it_or_from_itself(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", passphrase="secret words")
    public = read_public_key(key)
    assert public == read_public_key(key.with_suffix(".pub")) is not None
    key.with_suffix(".pub").unlink()
    assert read_public_key(key) == public
    for text in ("", "no key", key.read_text()[:60], key.read_text().replace("A", "!")):
        (tmp_path / "other").write_text(text)
        assert read_public_key(tmp_path / "other") is None
