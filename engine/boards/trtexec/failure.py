"""Why trtexec failed, in one clause: the real cause, which stands far above the last line that it printed. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.boards.trtexec.commands import Version
from engine.boards.trtexec.complaints import Complaints, quote, read_complaints, strip_end
from engine.boards.trtexec.crash import describe_crash, describe_reason, find_end_from_outside
from engine.boards.trtexec.log import Message, read_messages
from engine.boards.trtexec.refusal import find_operator, find_refusal
from engine.boards.trtexec.resources import (
    find_internal,
    find_memory,
    find_myelin,
    find_no_kernel,
    find_passed_over,
)
from engine.errors import WorkError

_LONGEST_CLAUSE = 600

_DEVICE = re.compile(r"expecting compute (\d[\d.]*\d) got compute (\d[\d.]*\d)")
_LIBRARY = re.compile(r"expecting library version (\d[\d.]*\d) got (\d[\d.]*\d)")
_SERIALIZATION = re.compile(r"Current Version: (\d{1,9}), Serialized Engine Version: (\d{1,9})")
_OTHER_DEVICE = re.compile(
    r"(?i)generated on an incompatible device|(?:engine|plan)[^\n]{0,120}compute capability"
    r"|compute capability[^\n]{0,120}(?:engine|plan)"
)
_OTHER_PLATFORM = re.compile(
    r"(?i)platform specific tag mismatch|expectedPlatformTag|on the target (?:runtime )?platform"
)
_OTHER_VERSION = re.compile(
    r"(?i)(?:version|magic) tag does not match|failed to verify a plan tag|serialization version is not supported"
    r"|incompatible serialization version|not compatible with this version of TensorRT|magic_?tag"
    r"|expected size of serialized engine"
)
_NO_PLUGIN = re.compile(r"IPluginCreator not found|Cannot deserialize plugin")
_PLUGIN = re.compile(r"could not find plugin:? (\w+)")
_DAMAGED = re.compile(
    r"(?i)engine deserialization fail|deserialize the cuda engine failed|plan file is (?:empty|incorrect)"
    r"|Error Code:? 1: Serialization|Serialization Error in|failed to load engine"
)
_UNREADABLE = re.compile(r"(?:Error opening engine file|Error loading engine file|Could not open file):? (.+)")
_UNWRITABLE = re.compile(r"Cannot open engine file: (.+)|Saving engine to file failed|No space left on device")
_OPTION = re.compile(r"Unknown option: (\S+)")
_UNSUPPORTED_GPU = re.compile(
    r"(Target GPU SM \d+ is not supported|Unsupported SM\b[^\n]{0,60}|no kernel image is available[^)\n]{0,60})"
)
_CUDA = re.compile(r"Cuda failure(?: at [^:\n]{1,300}:\d{1,9})?: (.+)|CUDA initialization failure with error:? (\d+)")
_CUDA_RUNTIME = re.compile(r"Cuda Runtime \((.+)$|Cuda Error in [\w:~]{1,200}: \d+ \((.+)$")
_GPU_FAULT = re.compile(r"(?i)illegal|launch|misaligned|unspecified|timed out|uncorrectable|assert")
_MISSING_LIBRARY = re.compile(
    r"error while loading shared libraries: (.+)|(?:Unable to (?:open|load)|Could not load) library:? (.+)"
)
_SYMBOL = re.compile(r"symbol lookup error: (.+)")
_OWN_WORDS = re.compile(r"^[\w./+-]+: \S")  # a program's own, which begin with its name


class EngineRefused(WorkError):
    """What is wrong is the engine itself: damaged, of another version, or of another board."""


@dataclass(frozen=True)
class Cause:
    """Why a run failed and what to do about it, in one clause; `of_engine` where another engine would do."""

    clause: str
    of_engine: bool = False


def find_cause(out: str, err: str, *, version: Version, code: int | None) -> Cause:
    """What made a run of trtexec fail that ended with `code` (None: not known; negative: the signal that ended it)."""
    said = read_complaints(out, err, ".".join(map(str, version)))
    crash = describe_crash(said, code)
    for find in _PATTERNS:
        if clause := find(said):
            clause = f"{crash}: {clause}" if crash else clause
            return Cause(clause[:_LONGEST_CLAUSE], of_engine=find is _find_foreign_engine)
    if crash:
        reason = describe_reason(said)
        return Cause(f"{crash}: {reason}" if reason else f"{crash} and did not say why: {_OTHERWISE}")
    if outside := find_end_from_outside(code):
        return Cause(outside)
    if said.first_error:
        return Cause(f"trtexec says: {quote(said.first_error)}")
    words = _last_words(read_messages(err)) or _last_words(read_messages(out))
    ended = "without a verdict" if code is None else f"with status {code}"
    if words:
        return Cause(f"trtexec ended {ended}, and its last words were: {quote(words)}")
    return Cause(f"trtexec ended {ended} and printed nothing of use: run it by hand on the device and look")


_OTHERWISE = "time it again with less running on the board, in the other precision, or with a newer TensorRT"


def _find_foreign_engine(said: Complaints) -> str | None:
    """An engine that was built elsewhere, or was damaged; a run that builds one says the like of its cache only."""
    if said.builds:
        return None
    text = said.text
    if board := _DEVICE.search(text):
        here, there = board.groups()
        return f"the engine was built for another GPU (compute {there}, here {here}): it must be built on this board"
    if _OTHER_DEVICE.search(text):
        return "the engine was built for another GPU: it must be built on this board"
    if _OTHER_PLATFORM.search(text):
        return "the engine was built on another platform: it must be built on this board"
    if library := _LIBRARY.search(text):
        here, there = library.groups()
        return f"the engine was built by another version of TensorRT ({there}, here {here})"
    if serialization := _SERIALIZATION.search(text):
        here, there = serialization.groups()
        return f"the engine was not built by TensorRT {said.version} (serialization version {there}, here {here})"
    if _OTHER_VERSION.search(text):
        return f"the engine was not built by TensorRT {said.version}"
    if _NO_PLUGIN.search(text):
        plugin = _PLUGIN.search(text)
        name = f"the plugin {plugin.group(1)}" if plugin else "a plugin"
        return f"the engine needs {name}, which TensorRT {said.version} on the board does not have"
    return "the engine file is damaged" if _DAMAGED.search(text) else None


def _find_file(said: Complaints) -> str | None:
    if unreadable := _UNREADABLE.search(said.text):
        return f"trtexec cannot read {unreadable.group(1).strip()}"
    if unwritable := _UNWRITABLE.search(said.text):
        return f"trtexec cannot write {(unwritable.group(1) or 'the engine').strip()}: is the disk full?"
    return None


def _find_setting(said: Complaints) -> str | None:
    text, version = said.text, said.version
    if option := _OPTION.search(text):
        return f"trtexec of TensorRT {version} does not know the option {option.group(1)}"
    if library := _MISSING_LIBRARY.search(text) or _SYMBOL.search(text):
        missing = quote(next(filter(None, library.groups())))
        return f"trtexec cannot start ({missing}): TensorRT is not installed whole"
    if gpu := _UNSUPPORTED_GPU.search(text):
        return f"TensorRT {version} does not support the GPU of the board ({gpu.group(1)})"
    return None


def _find_cuda(said: Complaints) -> str | None:
    if cuda := _CUDA.search(said.text):
        reason = (cuda.group(1) or f"error {cuda.group(2)}").strip()
    elif runtime := _CUDA_RUNTIME.search(said.first_error or ""):
        reason = strip_end(next(filter(None, runtime.groups())))
    else:
        return None
    if _GPU_FAULT.search(reason):
        return f"a kernel failed on the GPU of the board ({quote(reason)}): time it again, or in the other precision"
    return f"CUDA does not work on the board ({quote(reason)})"


_PATTERNS: tuple[Callable[[Complaints], str | None], ...] = (
    find_operator,
    find_memory,
    _find_foreign_engine,
    _find_file,
    _find_setting,
    find_no_kernel,
    find_refusal,
    find_myelin,
    _find_cuda,
    find_internal,
    find_passed_over,
)


def _last_words(messages: list[Message]) -> str | None:
    """The last line of an error, or of no message; what goes on with a remark is none of its own."""
    last, remark = None, False
    for level, text in messages:
        remark = level not in ("E", "F") if level else remark and not _OWN_WORDS.match(text)
        if not remark and (words := text.strip()) and not words.startswith("&&&&"):
            last = words
    return last
