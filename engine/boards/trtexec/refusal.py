"""What the parser of ONNX files in TensorRT refused: an operator that it has not, or a node that it cannot take. Pure.

The parser reports each node in several lines, with the reason in the last of them; up to 7.2 often without the node,
and then the function that refused it tells the operator: importResize. The formats are those of ModelImporter.cpp.
"""

import re
from collections.abc import Iterator

from engine.boards.trtexec.complaints import Complaints, plain, quote, shorten, unwrap

_MOST_NAMES = 8
_LINES_OF_REASON = 4  # behind the one that names the function

_NO_OPERATOR = re.compile(
    r"Plugin not found|(?:could not|annot) find plugin|No importer registered for op: \w+\b(?!\. Attempting)"
    r"|Assertion failed: creator|\] creator && "
)
_NO_CREATOR = re.compile(r"IPluginCreator not found|Cannot deserialize plugin")  # of an engine that is loaded
_OPERATORS = (  # the surest first: what is missing inside a branch is not the operator that the node names
    re.compile(r"(?:could not|annot) find plugin:? (\w+)"),
    re.compile(r"and operator: (\w+)"),
    re.compile(r"While parsing node number \d+ \[(\w+)"),
    re.compile(r"No importer registered for op: (\w+)"),
)
_NODE = re.compile(r"While parsing node number (\d+) \[(\w+)")
_IN_NODE = re.compile(
    r"In node (-?\d+)(?: with name: (.{1,300}?) and operator: (\w+))? \((\w+)\): (?:[A-Z_]{3,40}: )?(\S.*)"
)
_FUNCTION = re.compile(r"In function (\w+)(?:\(.*\))?:?\s*(.*)$")
_OF_OPERATOR = re.compile(r"^(?:import|check)(?!Fallback|Model|Graph|Input|Node|Local|Plugin|Weight)([A-Z]\w*)$")
_CODE = re.compile(r"^\[(?:\d{1,3}|[A-Z_]{3,40})\] ")
_INVALID = re.compile(r"Invalid Node - ?(.*)$")
_ASSERTION = re.compile(r"^Assertion failed: ")
_EXPLANATION = re.compile(r'&& "(.+)"')
_VOWEL_LETTERS, _VOWEL_NAMES = "AEIOU", "AEFHILMNORSX"  # of letters that are spelled out: an LSTM, a GRU
_CONSONANT_SOUNDS = ("Uni", "Eu", "One")  # a Unique, a OneHot


def find_operator(said: Complaints) -> str | None:
    """TensorRT has neither an importer nor a plugin for an operator."""
    if not _NO_OPERATOR.search(said.text) or _NO_CREATOR.search(said.text):
        return None
    everything = f"{said.text}\n{said.remarks}"
    names = next((found for each in _OPERATORS if (found := each.findall(everything))), ["of a kind that it needs"])
    several = "s" if len(set(names)) > 1 else ""
    node = _NODE.search(said.text)
    where = f" (node {node.group(1)} of the model)" if node else ""
    listed = ", ".join([*dict.fromkeys(names)][:_MOST_NAMES])
    return (
        f"TensorRT {said.version} has no operator{several} {listed}{where}: no importer and no plugin of "
        f"{'these names' if several else 'that name'} is there"
    )


def find_refusal(said: Complaints) -> str | None:
    """A node that TensorRT cannot take as it is, and why; where the node is not told, the operator is."""
    if whole := _IN_NODE.search(said.text):
        number, name, operator, function, reason = whole.groups()
        place = _place(number if not number.startswith("-") else None, operator or _operator_of(function), name)
        return _sentence(said, place, _explanation(reason))
    node = _NODE.search(said.text)
    function, reason, name = _reason(said)
    if node is None and reason is None:
        return None
    number, operator = node.groups() if node else (None, _operator_of(function))
    return _sentence(said, _place(number, operator, name), reason)


def _sentence(said: Complaints, place: str, reason: str | None) -> str:
    return f"TensorRT {said.version} refused {place}" + (f": {quote(reason)}" if reason else "")


def _place(number: str | None, operator: str | None, name: str | None) -> str:
    """Which node: by its number and operator, or as much of it as is known."""
    kind = f"{_article(operator)} {operator}" if operator else ""
    if number is not None:
        return f"node {number} of the model" + (f", {kind}" if kind else "")
    if name:
        return f"node {shorten(name)} of the model" + (f", {kind}" if kind else "")
    return f"{kind} of the model" if kind else "the model"


def _article(operator: str) -> str:
    """As one says it: an Identity, an LSTM, a Unique."""
    if operator.startswith(_CONSONANT_SOUNDS):
        return "a"
    spelled = operator[:2].isupper() or operator[:2] in ("Lp", "Rn")
    return "an" if operator[0].upper() in (_VOWEL_NAMES if spelled else _VOWEL_LETTERS) else "a"


def _operator_of(function: str | None) -> str | None:
    operator = _OF_OPERATOR.match(function or "")
    return operator.group(1) if operator else None


def _reason(said: Complaints) -> tuple[str | None, str | None, str | None]:
    """The function that refused a node, why, and the node's name, each None where it is not told."""
    lines = [each.text.strip() for each in said.errors]
    coded = next((text for text in lines if _ASSERTION.match(_CODE.sub("", text)) and _CODE.match(text)), None)
    for place, line in enumerate(lines):
        if function := _FUNCTION.search(line):
            reasons = _reasons(function.group(2), lines[place + 1 : place + 1 + _LINES_OF_REASON])
            reason = next(reasons, None)
            invalid = _INVALID.search(reason or "")
            if invalid is None:
                return function.group(1), _explanation(reason or coded), None
            return function.group(1), _cause_of_invalid(said, next(reasons, None)), invalid.group(1).strip() or None
    return None, _explanation(coded), None


def _reasons(rest: str, following: list[str]) -> Iterator[str]:
    """The lines that may say why, as long as they belong to the same report."""
    for line in (rest, *following):
        if _NODE.search(line):
            return
        if line and not _FUNCTION.search(line) and (text := plain(_CODE.sub("", line))):
            yield text


def _cause_of_invalid(said: Complaints, reason: str | None) -> str | None:
    """What makes a node invalid stands behind its name, or was said before anything of the node was."""
    reason = reason or said.first_error
    return None if reason is None else unwrap(reason)


def _explanation(assertion: str | None) -> str | None:
    """The text that comes with an assertion, or else its condition."""
    if assertion is None:
        return None
    condition = _ASSERTION.sub("", _CODE.sub("", assertion)).strip()
    explanation = _EXPLANATION.search(condition)
    return explanation.group(1) if explanation else unwrap(condition)
