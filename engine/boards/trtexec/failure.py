"""Why trtexec failed, in one clause: the real cause, which stands far above the last line that it printed. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.boards.trtexec.commands import Version
from engine.boards.trtexec.log import Message, read_messages
from engine.errors import WorkError

_KILLED = (-9, 128 + 9)
_MOST = 300  # characters of a message
_LONGEST_CLAUSE = 600
_MOST_NAMES = 8

_NO_PLUGIN = re.compile(
    r"Plugin not found|(?:could not|annot) find plugin|\[8\] No importer registered|Assertion failed: creator"
)
_OPERATORS = (  # the surest first: what is missing inside a branch is not the operator that the node names
    re.compile(r"(?:could not|annot) find plugin:? (\w+)"),
    re.compile(r"and operator: (\w+)"),
    re.compile(r"While parsing node number \d+ \[(\w+)"),
    re.compile(r"No importer registered for op: (\w+)"),
)
_NODE = re.compile(r"While parsing node number (\d+) \[(\w+)")
_ASSERTION = re.compile(r"Assertion failed: (.+)|^\[\d+\] (.+)", re.MULTILINE)
_EXPLANATION = re.compile(r'&& "(.+)"')
_MEMORY = re.compile(r"out of memory|OutOfMemory|bad_alloc|could not be allocated", re.IGNORECASE)
_BOARD = re.compile(r"incompatible device, expecting compute (\S+) got compute ([\d.]+\d)")
_OTHER_VERSION = re.compile(
    r"(?:Version|Magic) tag does not match|Failed to verify a plan tag|Serialization version is not supported"
)
_DAMAGED = re.compile(
    r"Engine deserialization failed|Deserialize the cuda engine failed|Plan file is (?:empty|incorrect)"
)
_UNREADABLE = re.compile(r"(?:Error opening engine file|Error loading engine file|Could not open file):? (.+)")
_UNWRITABLE = re.compile(r"Cannot open engine file: (.+)|Saving engine to file failed")
_OPTION = re.compile(r"Unknown option: (\S+)")
_NO_KERNEL = re.compile(r"Could not find any implementation for node (.+?)(?: due to|\.\)|\.?$)", re.MULTILINE)
_CUDA = re.compile(r"Cuda failure(?: at [^:\n]{1,300}:\d{1,9})?: (.+)|CUDA initialization failure with error:? (\d+)")
_LIBRARY = re.compile(r"error while loading shared libraries: (.+)")
# What follows from a failure and never is one.
_AFTERMATH = re.compile(
    r"^(Failed to parse onnx file|Parsing model failed|Building engine failed|Engine (?:creation|set up) failed"
    r"|Failed to create engine from model.*|Engine could not be created from network|Inference set up failed"
    r"|Error occurred during inference|Network creation failed|--- (?:Begin|End) node ---)\.?$"
)
_NOISE = re.compile(r"^\[TRT\] |^Error\[\d+\]: |^\d+: |^\[[\w.:/ ]+::\d+\] |^[\w./]+\.cpp:\d+: ")


class EngineRefused(WorkError):
    """What is wrong is the engine itself: damaged, of another version, or of another board."""


@dataclass(frozen=True)
class Cause:
    """Why a run failed and what to do about it, in one clause; `of_engine` where another engine would do."""

    clause: str
    of_engine: bool = False


def find_cause(out: str, err: str, *, version: Version, code: int | None) -> Cause:
    """What made a run of trtexec fail that ended with `code` (None: not known)."""
    messages = [*read_messages(out), *read_messages(err)]
    text = "\n".join(message.text for message in messages)
    for find in _PATTERNS:
        if clause := find(text, ".".join(map(str, version))):
            return Cause(clause[:_LONGEST_CLAUSE], of_engine=find is _find_foreign_engine)
    if code in _KILLED:
        return Cause("it was killed, which a board does when its memory runs out: close what else runs there")
    return Cause(_first_error(messages) or _last_line(read_messages(err) or read_messages(out), code))


def _find_operator(text: str, version: str) -> str | None:
    if not _NO_PLUGIN.search(text):
        return None
    names = next((matches for pattern in _OPERATORS if (matches := pattern.findall(text))), ["of a kind that it needs"])
    several = "s" if len(set(names)) > 1 else ""
    node = _NODE.search(text)
    where = f" (node {node.group(1)} of the model)" if node else ""
    return f"TensorRT {version} has no operator{several} {', '.join([*dict.fromkeys(names)][:_MOST_NAMES])}{where}"


def _find_memory(text: str, _version: str) -> str | None:
    return "the board ran out of memory: close what else runs there" if _MEMORY.search(text) else None


def _find_foreign_engine(text: str, version: str) -> str | None:
    """An engine that was built elsewhere, or was damaged."""
    if board := _BOARD.search(text):
        here, there = board.groups()
        return f"the engine was built for another GPU (compute {there}, here {here}): it must be built on this board"
    if _OTHER_VERSION.search(text):
        return f"the engine was not built by TensorRT {version}"
    return "the engine file is damaged" if _DAMAGED.search(text) else None


def _find_file(text: str, _version: str) -> str | None:
    if unreadable := _UNREADABLE.search(text):
        return f"trtexec cannot read {unreadable.group(1)}"
    if unwritable := _UNWRITABLE.search(text):
        return f"trtexec cannot write {unwritable.group(1) or 'the engine'}: is the disk full?"
    return None


def _find_setting(text: str, version: str) -> str | None:
    if option := _OPTION.search(text):
        return f"trtexec of TensorRT {version} does not know the option {option.group(1)}"
    if library := _LIBRARY.search(text):
        return f"trtexec cannot start ({library.group(1)}): TensorRT is not installed whole"
    if cuda := _CUDA.search(text):
        return f"CUDA does not work on the board ({cuda.group(1) or 'error ' + cuda.group(2)})"
    return None


def _find_parser(text: str, version: str) -> str | None:
    if kernel := _NO_KERNEL.search(text):
        return f"TensorRT {version} found no way to run {kernel.group(1)} within the workspace: give it more"
    node = _NODE.search(text)
    if node is None:
        return None
    assertion = _ASSERTION.search(text, node.end())
    refusal = f"TensorRT {version} refused node {node.group(1)} of the model, a {node.group(2)}"
    if assertion is None:
        return refusal
    condition = (assertion.group(1) or assertion.group(2)).strip()
    explanation = _EXPLANATION.search(condition)
    return f"{refusal}: {(explanation.group(1) if explanation else condition)[:_MOST]}"


_PATTERNS: tuple[Callable[[str, str], str | None], ...] = (
    _find_operator,
    _find_memory,
    _find_foreign_engine,
    _find_file,
    _find_setting,
    _find_parser,
)


def _first_error(messages: list[Message]) -> str | None:
    for message in messages:
        if message.level not in ("E", "F"):
            continue
        text = message.text.strip()
        while (shorter := _NOISE.sub("", text)) != text:
            text = shorter
        if text and not _AFTERMATH.match(text):
            return f"trtexec says: {text[:_MOST]}"
    return None


def _last_line(messages: list[Message], code: int | None) -> str:
    ended = "without a verdict" if code is None else f"with status {code}"
    lines = [text for message in messages if (text := message.text.strip()) and not text.startswith("&&&&")]
    if lines:
        return f"trtexec ended {ended}, and its last words were: {lines[-1][:_MOST]}"
    return f"trtexec ended {ended} and printed nothing of use: run it by hand on the device and look"
