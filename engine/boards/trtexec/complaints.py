"""What trtexec complains of: its errors apart from its remarks, and the text inside their wrapping. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from engine.boards.trtexec.log import Message, read_messages

MOST = 300  # characters of a message that is quoted
_MOST_NAME = 120  # of a layer's name: fused ones go on for thousands
_ERRORS = ("E", "F")

_WORKSPACE = re.compile(r"--(?:workspace=|memPoolSize=workspace:)(\d{1,9})\b")
# Where in TensorRT a message comes from, which every version puts before it in its own ways.
_ORIGIN = re.compile(
    r"^(?:\[TRT\] |Error\[\d+\]: |\d{1,3}: |ERROR: |(?:INVALID_\w+|INTERNAL_ERROR): |\[[\w.:/~<> ]+::\d+\] "
    r"|[\w./]+\.(?:cpp|h|cu)(?::\d+: | \(\d+\) - )|Error Code:? \d+: (?=Skipping))"
)
_WRAPPED = re.compile(r"Error Code:? \d+: [A-Z][\w ]{2,30}\((.+)$")
# What follows from a failure and is none, what only names a node, and what is said of kernels that were passed over.
_AFTERMATH = re.compile(
    r"(?i)^(?:Failed to parse (?:the )?onnx|Parsing model failed|Building (?:engine|serialized network) failed"
    r"|Engine (?:creation|set up|generation) failed|(?:Network|Builder) creation failed|Inference set up failed"
    r"|Failed to create (?:the )?engine|Engine could not be created|Could not create (?:the )?engine"
    r"|Error occurred during inference|--- (?:Begin|End) node ---|std::exception\W*$"
    r"|Assertion (?:engine|enginePtr|mEngine|ret)\b[^\n]{0,20}failed|.{0,200}\b(?:engine|enginePtr) != nullptr failed"
    r"|While parsing node number|[^\n]{0,200}\bIn function \w+"
    r"|(?:input|output|name|op_type|domain): \"|attribute \{|\}$"
    r"|Tactic Device request|Skipping tactic|Requested amount of GPU memory)"
)


@dataclass(frozen=True)
class Complaints:
    """What a run of TensorRT `version` said: `errors` with the lines that belong to no message, `asides` the rest.

    `command` is the line that trtexec ran with, as it repeats it; empty where it does not.
    """

    version: str
    errors: tuple[Message, ...]
    asides: tuple[Message, ...]
    command: str

    @cached_property
    def text(self) -> str:
        """The errors, line by line."""
        return _join(self.errors)

    @cached_property
    def remarks(self) -> str:
        """The warnings and remarks, line by line."""
        return _join(self.asides)

    @property
    def builds(self) -> bool:
        """Whether the run was to build an engine, as far as its command tells."""
        return "--onnx=" in self.command

    @property
    def workspace_mib(self) -> int | None:
        found = _WORKSPACE.search(self.command)
        return int(found.group(1)) if found else None

    @cached_property
    def first_error(self) -> str | None:
        """The first error that follows from no other, without where it comes from."""
        return next((text for each in self.errors if each.level in _ERRORS and (text := plain(each.text))), None)


def read_complaints(out: str, err: str, version: str) -> Complaints:
    """From both streams of a run."""
    messages = [*read_messages(out), *read_messages(err)]
    command = next((each.text for each in messages if each.text.lstrip().startswith("&&&&") and "#" in each.text), "")
    said = [each for each in messages if not each.text.lstrip().startswith("&&&&")]
    errors = tuple(each for each in said if each.level in (*_ERRORS, None))
    asides = tuple(each for each in said if each.level not in (*_ERRORS, None))
    return Complaints(version, errors, asides, command)


def plain(text: str) -> str:
    """A message without where it comes from; empty for one that only follows from a failure."""
    text = text.strip()
    while (shorter := _ORIGIN.sub("", text)) != text:
        text = shorter.strip()
    return "" if _AFTERMATH.match(unwrap(text)) else text


def unwrap(text: str) -> str:
    """What is in the parentheses of "Error Code 4: Internal Error (…)"; any other text as it is."""
    wrapped = _WRAPPED.search(text)
    return strip_end(wrapped.group(1)) if wrapped else text


def strip_end(text: str) -> str:
    """What stood in parentheses, without the one that closes them and the full stop behind it."""
    text = text.rstrip(" .,;")
    return (text.removesuffix(")") if text.count(")") > text.count("(") else text).strip()


def quote(text: str) -> str:
    return text.strip()[:MOST]


def shorten(name: str) -> str:
    """The name of a layer, cut where it is endless."""
    return name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 1]}…"


def _join(messages: Iterable[Message]) -> str:
    return "\n".join(message.text for message in messages)
