"""Plotly's code with the kinds of traces that pages draw, and without all others: a third of it is left.

Streamlit brings all of Plotly, of which maps and three dimensions are most. A browser compiles all that it is given,
and runs what each kind declares, before it draws a first chart. Plotly's own partial bundles are made of the same
parts; its `lib/index.js` names the kinds that there are.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

KINDS = ("scatter", "scattergl", "bar", "heatmap")  # of traces, all that a browser is given the code of
_CORE = "lib/core.js"  # has scatter
# A part, behind its name: its path, and the function that is run when it is first asked for.
_PART = re.compile(r'(?<==[_g]\(\{)"([^"]+)"\([^)]*\)(?=\{)')
_NAME = re.compile(r"[\w$]+(?==[_g]\(\{$)")
_LONGEST_NAME = 40
_REGISTERED = re.compile(r"\.register\(\[((?:[A-Za-z_$][\w$]*\(\),?)+)\]\)")
_CALL = re.compile(r"(?<![\w$.])([A-Za-z_$][\w$]*)\(\)")
_END = re.compile(r"\}\}\)[,;]")
_PATTERN = r"/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/"
_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'|/\*.*?\*/|[`{}]|"
    rf"(?<=[=(,:\[!&|?{{}};+\-*%~^<>]){_PATTERN}|(?<=return){_PATTERN}",
    re.DOTALL,
)
_IN_TEMPLATE = re.compile(r"\\.|`|\$\{", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the script: the braces of its function begin and end here."""

    name: str
    path: str
    begin: int
    end: int


def with_few_kinds(script: str) -> str:
    """The script of charts with these kinds alone; itself where it is laid out in another way."""
    try:
        return _with_parts(script, _CORE, [f"lib/{kind}.js" for kind in KINDS if kind != "scatter"])
    except (KeyError, ValueError):
        return script


def _with_parts(script: str, core: str, kinds: Collection[str]) -> str:
    """The script with these kinds registered, and with nothing in the parts that they and its core do without."""
    parts = list(_parts(script))
    names = {part.path: part.name for part in parts}
    bodies = {part.name: script[part.begin : part.end] for part in parts}
    registered = _REGISTERED.search(script, max((part.end for part in parts), default=0))
    if registered is None:
        raise ValueError("no kinds are registered")
    place = registered.span(1)
    outside = _replaced(script, [*((part.begin, part.end, "") for part in parts), (*place, "")])
    called = bodies.keys() & set(_CALL.findall(outside))
    needed = _reached({names[core], *(names[kind] for kind in kinds), *called}, bodies)
    unneeded = [(part.begin, part.end, "{}") for part in parts if part.name not in needed]
    return _replaced(script, [*unneeded, (*place, ",".join(f"{names[kind]}()" for kind in kinds))])


def _replaced(script: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """The script with other texts in some places, which follow one another."""
    pieces, done = [], 0
    for begin, end, text in changes:
        pieces += [script[done:begin], text]
        done = end
    return "".join([*pieces, script[done:]])


def _reached(names: Collection[str], bodies: dict[str, str]) -> set[str]:
    """The parts that these ask for, and those that they do."""
    reached: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += {called for called in _CALL.findall(bodies[name]) if called in bodies}
    return reached


def _parts(script: str) -> Iterator[_Part]:
    found = [(_name_before(script, part.start()), part) for part in _PART.finditer(script)]
    for (name, part), (following, next_part) in zip(found, [*found[1:], ("", None)], strict=True):
        last = len(script) if next_part is None else next_part.start() - len(following) - len("=_({")
        end = _END.search(script, part.end(), last)
        alone = end is not None and end.end() == last  # as most are: nothing else stands before the next one
        yield _Part(name, part[1], part.end(), last - len("}),") if alone else _closed(script, part.end()))


def _name_before(script: str, place: int) -> str:
    name = _NAME.search(script[max(0, place - _LONGEST_NAME) : place])
    if name is None:
        raise ValueError("a part has no name")
    return name[0]


def _closed(script: str, place: int) -> int:
    """Behind the brace that closes the one at a place. What a text or a pattern holds counts for nothing."""
    stack: list[str] = []
    while True:
        inside = bool(stack) and stack[-1] == "`"
        token = (_IN_TEMPLATE if inside else _TOKEN).search(script, place)
        if token is None:
            raise ValueError("a brace is not closed")
        place = token.end()
        mark = token.group()
        if mark == "}" or (inside and mark == "`"):
            stack.pop()
            if not stack:
                return place
        elif mark in ("{", "`", "${"):
            stack.append("`" if mark == "`" else "{")
