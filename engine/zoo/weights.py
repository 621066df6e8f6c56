"""Weights files: fetched whole with the right hash, read without running code, loaded strictly."""

import hashlib
import http.client
import os
import pickle
import re
import ssl
import struct
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.errors import RequestError, WorkError
from engine.spec.messages import as_text
from engine.storage import directories, files
from engine.units import dimensions, si
from engine.zoo import pickled

State = dict[str, Tensor]

TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 20
_PLAIN = "give a state dict saved by torch.save, or safetensors"
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # GoogLeNet's and Inception's, which are built without
# What the readers raise on a file that is not what its name says.
_BROKEN = (
    pickled.BrokenError,
    pickle.PickleError,
    SafetensorError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
_MOST_ENTRIES = 20_000  # the largest network of the catalogue has 1,400
_LONGEST_NAME = 500
_MOST_SHARED = 4  # how often a number of the file may stand in its entries: some layers share their weights
_LARGEST_HEADER = 16 << 20  # bytes of what safetensors say of their entries
_TYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
)
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


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


def read_state_dict(path: Path) -> State:
    """The tensors by name in a weights file; no code in it ever runs.

    Takes a state dict or a checkpoint that holds one under `state_dict` or `model`, pickled by torch.save or as
    safetensors. RequestError: the file is missing, corrupt, holds anything else, would run code, or would take more
    memory than its own size.
    """
    shown = as_text(path)
    try:
        with files.opened(path, links=True) as descriptor:
            size = os.fstat(descriptor).st_size
            available = psutil.virtual_memory().available
            if size > available:
                raise RequestError(
                    f"weights {shown} have {si(size, 'B')}, and this machine has {si(available, 'B')} of memory free"
                )
            raw = _read(path, descriptor)
    except FileNotFoundError:
        raise RequestError(f"there is no weights file {shown}") from None
    except OSError as error:
        if path.is_dir():
            raise RequestError(f"weights {shown} is a folder; {_PLAIN}") from None
        raise RequestError(f"cannot read weights {shown}: {error.strerror or error}") from None
    state = raw
    for key in ("state_dict", "model"):
        if isinstance(raw, Mapping) and isinstance(raw.get(key), Mapping):
            state = raw[key]
            break
    if not isinstance(state, Mapping) or not state or not all(isinstance(key, str) for key in state):
        raise RequestError(f"weights {shown} hold no state dict; {_PLAIN}")
    _check_state(shown, state, size)
    return dict(state)


def _check_state(shown: str, state: Mapping[str, Any], size: int) -> None:
    """RequestError unless every entry is a tensor of finite numbers of its own; `size` is the file's, in bytes."""
    if len(state) > _MOST_ENTRIES or max(map(len, state)) > _LONGEST_NAME:
        raise RequestError(
            f"weights {shown} hold {len(state):,} entries, the longest name of {max(map(len, state)):,} letters; "
            f"at most {_MOST_ENTRIES:,} of {_LONGEST_NAME:,} letters are taken"
        )
    for key, value in state.items():
        name = as_text(key)
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise RequestError(f"weights {shown} hold no state dict ({name} is a {kind}); {_PLAIN}")
        if reason := _reason_against(value):
            raise RequestError(f"weights {shown} hold {reason} in {name}; {_PLAIN}")
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > _MOST_SHARED * size:
        raise RequestError(f"weights {shown} hold the same numbers under many names; {_PLAIN}")
    for key, value in state.items():
        if value.is_floating_point() and not _is_finite(value):
            raise RequestError(f"weights {shown} hold a value that is not finite in {as_text(key)}")


def _reason_against(tensor: Tensor) -> str | None:
    """Why a tensor is none that a network here could take, in words; None where nothing is against it."""
    if type(tensor) not in (Tensor, nn.Parameter):
        return "a tensor of a class of its own"
    if tensor.is_nested or tensor.is_quantized:
        return "a nested or quantised tensor"
    if tensor.layout != torch.strided or tensor.is_meta:
        return "a sparse or empty tensor"
    if tensor.dtype not in _TYPES:
        return f"a tensor of {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "a view that repeats its numbers"
    return None


def _is_finite(tensor: Tensor) -> bool:
    """A million numbers at a time: the answer for all of them at once would take as much memory again."""
    return all(bool(torch.isfinite(part).all()) for part in torch.split(tensor.detach().reshape(-1), _CHUNK))


def plain_keys(state: State) -> State:
    """The same tensors under the names that the networks here use."""
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    out: State = {}
    for key, value in state.items():
        if not key.startswith(_AUXILIARY):
            name = _OLD_DENSENET.sub(r"\1\2", key)
            out[f"fc.{name.removeprefix('linear.')}" if name.startswith("linear.") else name] = value
    return out


def head_of(module: nn.Module) -> str:
    """The name of the layer that gives the logits: the last linear layer, or the last convolution without one."""
    for kind in (nn.Linear, nn.Conv2d):
        names: list[str] = [name for name, part in module.named_modules() if isinstance(part, kind)]
        if names:
            return names[-1]
    raise ValueError("the network has no classifier")


def mismatch(module: nn.Module, state: State) -> str | None:
    """The first difference between a network and a state dict, in words. The head may have other classes."""
    head = head_of(module)
    expected = module.state_dict()
    for key, tensor in expected.items():
        if key not in state:
            if not key.endswith(".num_batches_tracked"):
                return f"{key} is missing"
            continue
        actual_shape, expected_shape = tuple(state[key].shape), tuple(tensor.shape)
        if key.startswith(f"{head}."):
            expected_shape = (*state[f"{head}.weight"].shape[:1], *expected_shape[1:])
        if actual_shape != expected_shape:
            return f"{key} has shape {dimensions(actual_shape)} instead of {dimensions(expected_shape)}"
        if state[key].is_floating_point() != tensor.is_floating_point():
            return f"{key} holds {state[key].dtype} instead of {tensor.dtype}"
    extra = next((key for key in state if key not in expected), None)
    return f"{as_text(extra)} is not part of it" if extra else None


def load_into(module: nn.Module, state: State) -> tuple[str, ...]:
    """Load a state dict that fits (`mismatch` is None); notes say whether the head stays fresh."""
    expected = module.state_dict()
    head = head_of(module)
    file_classes, model_classes = state[f"{head}.weight"].shape[0], expected[f"{head}.weight"].shape[0]
    for key, value in state.items():
        if file_classes == model_classes or not key.startswith(f"{head}."):
            expected[key] = value
    module.load_state_dict(expected)
    return (f"head replaced: {file_classes} → {model_classes} classes",) if file_classes != model_classes else ()


def _read(path: Path, descriptor: int) -> Any:
    """What the file of that path, which is open, holds; not checked yet."""
    shown = as_text(path)
    try:
        if path.suffix == ".safetensors":
            header = os.pread(descriptor, 8, 0)
            if int.from_bytes(header, "little") > _LARGEST_HEADER:
                raise RequestError(f"weights {shown} are corrupt or no weights file; {_PLAIN}")
            return load_file(path)
        pickled.check(descriptor)
        with os.fdopen(os.dup(descriptor), "rb") as file, warnings.catch_warnings(action="ignore"):
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickled.UnfitError as error:
        raise RequestError(f"weights {shown} {as_text(error)}; {_PLAIN}") from None
    except _BROKEN:
        raise RequestError(f"weights {shown} are corrupt or no weights file; {_PLAIN}") from None


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
