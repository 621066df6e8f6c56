"""The code of a network of the user's own: a file that stands in the user's list is read, and its function called."""

import contextlib
import importlib.machinery
import inspect
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.spec.networks.own_names import OwnFile
from engine.storage import directories
from engine.zoo.own import listing
from engine.zoo.own.listing import OwnNetwork

# What a parameter that takes the number of classes is called, where there are several parameters.
_CLASSES = ("num_classes", "classes", "n_classes", "nb_classes", "num_class", "n_class", "nclass", "class_num", "n_cls")
_LONGEST_REASON = 300
_made: weakref.WeakSet[nn.Module] = weakref.WeakSet()  # what was handed out: another may not be the same one
_siblings: dict[str, ModuleType] = {}  # what the file read last has imported from its own folder


@dataclass(frozen=True)
class Code:
    """A file as it was read: its names, and the SHA-256 of exactly what was run."""

    source: OwnFile
    module: ModuleType
    sha256: str


def construct(network: OwnNetwork, classes: int) -> nn.Module:
    """The network that the user's function makes for `classes` classes, on the CPU.

    RequestError of one sentence, with the line of the user's file, for whatever goes wrong in it.
    """
    code = read(network)
    function = _function(code)
    positional, named = _arguments(function, code.source, classes)
    with _failing_as_request(code.source), _guest(code.source.path):
        made = function(*positional, **named)
    return _checked(made, code.source)


def read(network: OwnNetwork) -> Code:
    """The code of a network of the list, as its file is now; each state of a file is run once a process."""
    data, sha256 = listing.read_code(network.path)
    return _run(network.source, data, sha256)


@contextlib.contextmanager
def failures_of(network: OwnNetwork, does: str) -> Iterator[None]:
    """Whatever the user's network raises inside becomes a RequestError of one sentence with the line of its file.

    `does` is what it was asked to do, such as "cannot read 3×32×32 images".
    """
    with _failing_as_request(network.source, does), _guest(network.path):
        yield


@cache
def _run(source: OwnFile, data: bytes, sha256: str) -> Code:
    # The name says which file and which state of it, so that it takes no other module's place.
    module = ModuleType(f"espalier_own_{sha256[:16]}_{Path(source.path).stem}")
    module.__file__ = source.path
    module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None, origin=source.path)
    _forget_siblings()
    before = set(sys.modules)
    sys.modules[module.__name__] = module
    try:
        with _failing_as_request(source), _guest(source.path):
            exec(compile(data, source.path, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    finally:
        new = {name: sys.modules[name] for name in set(sys.modules) - before}
        _siblings.update({name: m for name, m in new.items() if _is_users(_file_of(m), source) and m is not module})
    return Code(source, module, sha256)


def _file_of(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or "")


def _is_users(file: str, source: OwnFile) -> bool:
    """Whether a file of code lies with the user's, and belongs neither to this program nor to an installed package."""
    path = Path(file)
    ours = directories.PACKAGES / "engine"
    return (
        path.is_relative_to(Path(source.path).parent)
        and not path.is_relative_to(ours)
        and not {"site-packages", "dist-packages"} & set(path.parts)
    )


def _forget_siblings() -> None:
    """Let another file's `import blocks` find the `blocks` beside itself, not one that was imported before."""
    for name, module in _siblings.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _siblings.clear()


@contextlib.contextmanager
def _guest(path: str) -> Iterator[None]:
    """The user's code finds the files beside it, prints on stderr, leaves no compiled files, and changes no setting."""
    folder, arguments, compiles = str(Path(path).parent), sys.argv, sys.dont_write_bytecode
    kind, device = torch.get_default_dtype(), torch.get_default_device()
    sys.path.insert(0, folder)
    sys.argv, sys.dont_write_bytecode = [path], True
    try:
        with contextlib.redirect_stdout(sys.stderr), torch.set_grad_enabled(torch.is_grad_enabled()):
            yield
    finally:
        sys.argv, sys.dont_write_bytecode = arguments, compiles
        if folder in sys.path:
            sys.path.remove(folder)
        torch.set_default_dtype(kind)
        if torch.get_default_device() != device:
            torch.set_default_device(device)


@contextlib.contextmanager
def _failing_as_request(source: OwnFile, does: str = "cannot be built") -> Iterator[None]:
    try:
        yield
    except RequestError:
        raise
    except (Exception, SystemExit) as error:
        raise RequestError(_sentence(error, source, does), field="model") from None


def _sentence(error: BaseException, source: OwnFile, does: str) -> str:
    """Where in the user's files an error came up, and what it says."""
    path, line = source.path, None
    if isinstance(error, SyntaxError) and error.filename:
        path, line = error.filename, error.lineno
    else:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename, source)]
        if frames:
            path, line = frames[-1].filename, frames[-1].lineno
    where = as_text(path) + (f":{line}" if line else "")
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    reason = as_text(" ".join(str(reason).split()))
    shown = f": {reason[:_LONGEST_REASON]}" if reason else ""
    kind = "it ends the program" if isinstance(error, SystemExit) else f"{type(error).__name__}{shown}"
    return f"{as_text(source.text)} {does}: {where}: {kind}"


def _function(code: Code) -> Callable[..., Any]:
    source = code.source
    if source.function not in vars(code.module):
        own = [
            name
            for name, value in vars(code.module).items()
            if callable(value) and getattr(value, "__module__", "") == code.module.__name__
        ]
        there = f"it has {', '.join(own[:10])}" if own else "it has no function and no class"
        raise RequestError(f"{as_text(source.path)} has no {source.function}; {as_text(there)}", field="model")
    function = getattr(code.module, source.function)
    if isinstance(function, nn.Module) or not callable(function):
        kind = "a network already" if isinstance(function, nn.Module) else "no function and no class"
        raise RequestError(
            f"{as_text(source.text)} is {kind}; name the function or class that makes a network of a number of classes",
            field="model",
        )
    return function  # type: ignore[no-any-return]


def _arguments(function: Callable[..., Any], source: OwnFile, classes: int) -> tuple[tuple[int, ...], dict[str, int]]:
    """How the user's function is given the number of classes: by the parameter of that name, or as its only one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):  # of C code, which tells nobody
        return (classes,), {}
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p for p in plain if p.default is p.empty]
    takes = next((p for name in _CLASSES for p in plain if p.name == name and p.kind != p.POSITIONAL_ONLY), None)
    if takes is None and len(needed) == 1:
        takes = needed[0]
    elif takes is None and len(plain) == 1:
        takes = plain[0]
    if takes is None and not needed and any(p.kind == p.VAR_KEYWORD for p in parameters):
        return (), {"num_classes": classes}
    if takes is None and not needed and any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return (classes,), {}
    others = [p.name for p in needed if p is not takes]
    if takes is None or others:
        wants = (
            f"it also wants {', '.join(others)}"
            if takes is not None
            else "none of its parameters is called num_classes"
        )
        raise RequestError(
            f"{as_text(source.text)} must take the number of classes and nothing else: {as_text(wants)}; "
            "write def build(num_classes): return YourNetwork(…)",
            field="model",
        )
    if takes.kind == takes.POSITIONAL_ONLY or (plain[0] is takes and takes.kind != takes.KEYWORD_ONLY):
        return (classes,), {}
    return (), {takes.name: classes}


def _checked(made: Any, source: OwnFile) -> nn.Module:
    """What the user's function returned, if it is a network that can be worked with."""
    reason = None
    if not isinstance(made, nn.Module):
        reason = f"{type(made).__name__}, which is no torch.nn.Module"
    elif isinstance(made, torch.jit.ScriptModule):
        reason = "a TorchScript module; return the network that it was made from"
    elif isinstance(made, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(made, "_orig_mod"):
        reason = f"{type(made).__name__} around a network; return the network itself"
    elif not any(True for _ in made.parameters()):
        reason = "a network without parameters"
    else:
        kinds = {str(p.dtype).removeprefix("torch.") for p in made.parameters() if p.is_floating_point()} - {"float32"}
        if kinds:
            reason = f"a network of {min(kinds)} numbers; call .float() on it"
    if reason is None and made in _made:
        reason = "the same network each time; make a new one in it"
    if reason is not None:
        raise RequestError(f"{as_text(source.text)} returns {reason}", field="model")
    with _failing_as_request(source):
        network: nn.Module = made.cpu()
    _made.add(network)
    return network
