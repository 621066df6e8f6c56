"""What `import engine` offers: lazily, whatever else was imported before, with examples that run."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import engine
from engine.errors import RequestError
from tests.support.places import ROOT

MODULES = ("prune", "pruned", "networks", "runs", "saved")


def in_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_engine_loads_no_torch_and_neither_do_runs() -> None:
    heavy = "sorted({'torch', 'streamlit', 'pandas'} & set(sys.modules))"
    output = in_fresh_interpreter(
        f"import sys, engine; print({heavy}); dir(engine); engine.__doc__; engine.runs; print({heavy})"
    )
    assert output == "[]\n['pandas']\n"


def test_rooms_do_not_hide_the_functions_of_their_name() -> None:
    code = """
import engine.prune.solver, engine.export.onnx
from engine.export import onnx
import engine
print(engine.prune.__module__, engine.export.__module__, onnx.__name__)
"""
    assert in_fresh_interpreter(code).split() == [
        "engine.interface.prune",
        "engine.interface.networks",
        "engine.export.onnx",
    ]


def test_names_are_listed_and_others_are_none() -> None:
    assert set(engine.__all__) <= set(dir(engine))
    for name in engine.__all__:
        assert getattr(engine, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'engine' has no attribute 'shrink'"):
        engine.shrink  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_RESULTS", str(tmp_path))
    done = doctest.testmod(importlib.import_module(f"engine.interface.{name}"))
    assert done.attempted and not done.failed


def test_every_public_name_has_an_example() -> None:
    for name in engine.__all__:
        assert ">>> import engine" in (getattr(engine, name).__doc__ or ""), name


def test_runs_are_every_measured_point_beside_its_settings(tmp_path: Path) -> None:
    points = engine.runs(tmp_path)
    assert isinstance(points, pd.DataFrame) and points["id"].is_unique
    assert {"run_id", "model", "criterion", "order", "seed", "keep", "top1", "final", "baseline"} <= set(points)
    baselines = points[points["baseline"]]
    assert len(baselines) == points["run_id"].nunique() and (baselines["macs_share"] == 1).all()
    assert (points["macs_share"] <= 1).all()


def test_a_results_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="cannot be made"):
        engine.runs(tmp_path / "file" / "results")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ESPALIER_RESULTS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and done.stderr == ""
