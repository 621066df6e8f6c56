"""Who imports whom: torch stays out of the dashboard's process, and the engine's rooms point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

WITHOUT_TORCH = [
    "engine.spec.run",
    "engine.spec.messages",
    "engine.storage.store",
    "engine.statistics.intervals",
    "engine.spec.board_timing",
    "engine.boards.timing_job",
    "engine.boards.agent.session",
    "engine.cli.commands.device",
    "engine.spec.catalog",
    "engine.errors",
    "engine.units",
    "engine.spec.flags",
    "engine.jobs.preflight",
    "engine.pipeline.summaries",
    "engine.pipeline.duration.estimate",
    "engine.pipeline.smallest.bisection",
    "engine.pipeline.smallest.candidate",
    "engine.cli.tables",
    "engine.cli.console",
    "engine.cli.main",
    "engine.graph.cost",
    "engine.graph.summary",
    "engine.graph.metric",
    "engine.latency.predictor",
    "engine.latency.table",
    "engine.latency.signature",
    "engine.prune.solver",
    "engine.prune.depth",
    "engine.prune.forecast",
    "engine.jobs.queue",
    "engine.jobs.worker",
    "engine.jobs.child",
    "engine.pipeline.preview.request",
    "engine.pipeline.preview.answer",
    "engine.preview_server.client",
    "engine.preview_server.server",
    "engine.interface.runs",
    "engine.interface.settings",
    "engine.comparison.store",
    "engine.zoo.own.listing",
    "engine.uploads.receiving",
    "engine.uploads.unused",
    "engine.spec.search.document",
    "engine.search.work",
    "engine.cli.search.command",
]
# From the bottom up: a room may import what stands below it, and nothing beside it in its own line.
LEVELS = (
    "errors units texts words exit",
    "statistics spec graph",
    "storage measure",
    "data zoo boards",
    "train surgery uploads",
    "export criteria",
    "latency",
    "prune",
    "pipeline interface comparison",
    "jobs preview_server",
    "doctor search",
    "cli",
    "__main__",
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms.split()}
MOST_LINES, MOST_FILES = 2500, 12  # of a room: a folder without the rooms inside it


def modules(package: str) -> list[str]:
    """Every module of a package that may be imported by itself."""
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def packages() -> list[str]:
    return [
        ".".join(path.relative_to(ROOT).parent.parts)
        for top in ("app", "engine", "pages")
        for path in sorted((ROOT / top).rglob("__init__.py"))
    ]


def at_import(path: Path) -> list[str]:
    """The modules that importing a file imports: its imports, but for those inside functions."""
    found: list[str] = []
    open_nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            open_nodes += ast.iter_child_nodes(node)
    return found


def test_what_the_dashboard_imports_leaves_torch_out() -> None:
    """In one fresh interpreter, module by module, so that the first to bring torch in is named."""
    names = [*WITHOUT_TORCH, *packages(), *[name for name in modules("app") if name != "app.main"]]
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
    brought = {{"torch", "torchvision", "timm", "onnxruntime"}} & set(sys.modules)
    if brought:
        sys.exit(f"{{name}} imports {{sorted(brought)}}")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "engine").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_of_the_engine_import_downwards_only(path: Path) -> None:
    room = path.relative_to(ROOT / "engine").with_suffix("").parts[0]
    if room == "__init__":
        shown = [name for name in at_import(path) if name.startswith("engine")]
        assert all(name.startswith("engine.interface.") for name in shown)  # to type checkers only
        return
    for imported in at_import(path):
        top, *rest = imported.split(".")
        assert top not in ("app", "pages"), f"the engine does without screens, and {path} imports {imported}"
        if top == "engine" and rest and rest[0] != room:
            assert LEVEL[rest[0]] < LEVEL[room], f"engine.{room} may not import {imported}"


def test_every_room_has_a_level_and_is_small_enough_to_know() -> None:
    folders = [path for top in ("app", "engine", "pages") for path in [ROOT / top, *(ROOT / top).rglob("*")]]
    for folder in (path for path in folders if path.is_dir() and path.name != "__pycache__"):
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        room = str(folder.relative_to(ROOT))
        assert len(files) <= MOST_FILES, f"{room} has {len(files)} files: does it hold two subjects?"
        assert sum(len(path.read_text().splitlines()) for path in files) <= MOST_LINES, f"{room} is too long to know"
    rooms = {
        path.stem for path in (ROOT / "engine").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} == set(LEVEL)


@pytest.mark.parametrize("path", sorted((ROOT / "app").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_pages_share_imports_no_page(path: Path) -> None:
    assert not [name for name in at_import(path) if name.split(".")[0] == "pages"]


def test_the_queue_knows_no_pipeline() -> None:
    for name in ("queue", "worker", "child_process"):
        assert not [n for n in at_import(ROOT / f"engine/jobs/{name}.py") if n.startswith("engine.pipeline.run")]
