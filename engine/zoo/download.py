"""Published weights files: fetched whole, with the right hash."""

import hashlib
import http.client
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from engine.errors import WorkError
from engine.storage import directories

TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 20


def fetch(url: str, sha256: str) -> Path:
    """The file at `url` in the cache, downloaded once. `sha256` is the whole hash or its first 8 digits or more.

    WorkError, and no file, when it cannot be had whole or has another hash.
    """
    folder = directories.cache() / "weights"
    target = folder / url.rsplit("/", 1)[-1]
    try:
        if target.is_file() and _hash_of(target).startswith(sha256):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=folder)
    except OSError as error:
        raise WorkError(f"cannot use the cache folder {folder}: {error.strerror or error}") from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _download(url, file)
        if not digest.startswith(sha256):
            raise WorkError(f"{url} has the SHA-256 {digest[: max(8, len(sha256))]}, not {sha256}, and is refused")
        part.replace(target)
    except OSError as error:
        raise WorkError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return target


def _download(url: str, file: BinaryIO) -> str:
    """Stream `url` into `file`; the SHA-256 of what came."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            total = response.headers.get("Content-Length")
            digest, size = hashlib.sha256(), 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
    except urllib.error.HTTPError as error:
        raise WorkError(f"cannot download {url}: the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise WorkError(f"cannot download {url} ({error.reason}); is this machine online?") from None
    except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
        raise WorkError(f"the download of {url} broke off ({error or type(error).__name__}); try again") from None
    if total is not None and size != int(total):
        raise WorkError(f"the download of {url} broke off after {size:,} of {int(total):,} bytes; try again")
    return digest.hexdigest()


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
