"""What the documentation names is there: links, files, commands, flags, make's targets and rooms."""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from engine.cli.main import app
from engine.spec.run import RunSpec
from tests.support.places import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ON_DISK = re.compile(r"`((?:app|benchmarks|docs|engine|examples|pages|tests)/[\w./-]*)")
MOST_LINES = 170
page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [text for kind, text in FENCE.findall(path.read_text()) if kind == language]


def spans(path: Path) -> list[str]:
    """The code between single backticks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """What a link to a heading of a page may say after #."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(path: Path) -> Iterator[list[str]]:
    """The commands of a page's fenced blocks as words; a line that ends in \\ goes on with the next one."""
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


def commands() -> dict[tuple[str, ...], set[str]]:
    """Every command of the command line by its words, with its flags."""
    found: dict[tuple[str, ...], set[str]] = {}

    def collect(command: Any, words: tuple[str, ...]) -> None:
        inside = getattr(command, "commands", None)
        found[words] = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts) if flag.startswith("-")}
        found[words].add("--help")
        for name, one in (inside or {}).items():
            collect(one, (*words, name))

    collect(get_command(app), ())
    return found


COMMANDS = commands()
ALONE = {("models",)}  # commands that have others inside and mean something by themselves


def check_command(words: list[str]) -> None:
    """Fails where `espalier WORDS` names a command or a flag that does not exist."""
    depth = max((n for n in range(len(words) + 1) if tuple(words[:n]) in COMMANDS), default=0)
    assert depth or words[0].startswith("-"), f"espalier has no command {words[0]}"
    flags = COMMANDS[tuple(words[:depth])]
    group = any(len(known) == depth + 1 and known[:depth] == tuple(words[:depth]) for known in COMMANDS)
    alone = depth == len(words) and tuple(words) in ALONE
    assert alone or not group or words[depth].startswith("-"), f"espalier has no command {' '.join(words[: depth + 1])}"
    unknown = [word for word in words[depth:] if word.startswith("-") and word not in flags]
    assert not unknown, f"espalier {' '.join(words[:depth])} has no {', '.join(unknown)}"


def test_the_readme_is_short() -> None:
    lines = len((ROOT / "README.md").read_text().splitlines())
    assert lines <= MOST_LINES, f"the README has {lines} lines; what a newcomer need not know has a page in docs/"


@page
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.is_file(), f"{path.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors(file), f"{path.name} links to {target}; {file.name} has {anchors(file)}"


@page
def test_files_that_are_named_exist(path: Path) -> None:
    for name in ON_DISK.findall(FENCE.sub("", path.read_text())):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), f"{path.name} names {name}"


@page
def test_what_is_said_to_be_in_a_file_is_in_it(path: Path) -> None:
    text = re.sub(r"\s+", " ", FENCE.sub("", path.read_text()))
    for name, file in re.findall(r"`@?(\w+)`(?: [\w,]+)*? (?:in|of) `(\S+\.py)`", text):
        assert name in (ROOT / file).read_text(), f"{path.name} says that {name} is in {file}"


def flags_of_benchmarks() -> set[str]:
    sources = [file.read_text() for file in (ROOT / "benchmarks").rglob("*.py")]
    return {flag for source in sources for flag in re.findall(r'add_argument\("(--[a-z-]+)"', source)}


@page
def test_commands_and_flags_exist(path: Path) -> None:
    for words in shell_lines(path):
        if words[0] == "espalier":
            check_command(words[1:])
    known = {flag for flags in COMMANDS.values() for flag in flags} | flags_of_benchmarks()
    for span in spans(path):
        words = span.split()
        if words[0] == "espalier" and words[1:]:
            check_command([word for word in words[1:] if word != "…"])
        elif words[0].startswith("--"):
            assert words[0] in known, f"{path.name} names {words[0]}, which no command has"


@page
def test_other_commands_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in [*shell_lines(path), *(span.split() for span in spans(path))]:
        if words[0] == "make" and words[1:]:
            assert words[1] in targets, f"{path.name} names make {words[1]}"
        for word in words[:3]:
            if word.startswith("benchmarks."):
                place = ROOT / word.replace(".", "/")
                is_there = place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()
                assert is_there, f"{path.name} names {word}"


@page
def test_examples_are_python(path: Path) -> None:
    for block in blocks(path, "python"):
        ast.parse(block)


def test_the_spec_in_the_methods_is_the_default() -> None:
    (block,) = blocks(ROOT / "docs/methods.md", "json")
    assert json.loads(block) == RunSpec().model_dump(mode="json")


def test_the_criterion_in_the_readme_prunes() -> None:
    (code,) = [block for block in blocks(ROOT / "README.md", "python") if "@criterion" in block]
    code += """
import engine
from torch import nn
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
print(engine.prune(model, image=(3, 8, 8), keep=0.5, criterion="peak").module[0].out_channels)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


def test_the_picture_and_the_table_have_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "engine").glob("*/__init__.py")}
    rooms |= {path.stem for path in (ROOT / "engine").glob("*.py") if not path.stem.startswith("__")}
    texts = re.findall(r">([^<]+)</text>", (ROOT / "docs/rooms.svg").read_text())
    drawn = {name for text in texts for name in text.split(" · ")}
    assert drawn == rooms | {"app", "pages"}, "draw it anew with python docs/draw_rooms.py"
    first = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    assert rooms <= set(re.findall(r"\w+", " ".join(first))), "docs/architecture.md lists every room"
