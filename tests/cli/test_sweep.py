"""The command `sweep`: what it says before, while and after it works."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from engine.cli.sweep import choice
from engine.cli.sweep.progress import SweepProgress, sentence
from engine.jobs.sweep.driver import Ended, Tally
from engine.jobs.sweep.inventory import Entry
from engine.pipeline.duration import speed
from engine.spec.run import parse
from engine.spec.sweep import document, grid
from engine.storage.store import Store
from tests.support.places import ROOT

Espalier = Callable[..., Any]
Refused = Callable[..., str]
SMALL = "name: small\nspec: {data: {name: digits}, criterion: [l1, random], seed: [0, 1], target: {keep: [0.8, 0.5]}}\n"


@pytest.fixture
def small(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return str(file)


def test_a_dry_run_says_how_many_runs_how_long_and_how_much_disk(
    espalier: Espalier, small: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    store = Store(results)
    done = store.create(parse(yaml.safe_load(SMALL)["spec"] | {"criterion": "l1", "seed": 0}), experiment="small")
    done.end("done", "done")
    said = espalier("sweep", small, "--dry-run", "--jobs", "2", "--json").json()
    assert (said["total"], said["done"], said["left"], said["begun"]) == (4, 1, 3, 0)
    assert said["at_once"] == 2 and said["threads"] == 1 and not said["more"]
    assert said["seconds"] > 10 and said["bytes"] > 3 * 9 * 2 * 1_000_000 and said["free_bytes"] > 0
    people = espalier("sweep", small, "--dry-run", "--jobs", "2").out
    assert "small: 4 runs, 1 done, 0 failed, 3 to do" in people and "2 at once with 1 thread each" in people
    assert len(store.runs()) - len([run for run in store.runs() if run["gallery"]]) == 1


def test_a_sweep_that_cannot_be_is_refused_in_one_sentence(refused: Refused, small: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nspec: {data: {name: digits}, order: layers, target: {keep: [[0.5], [0.01]]}}")
    assert "0.01" in refused("sweep", str(bad))
    bad.write_bytes(b"\xff")
    assert "is no UTF-8 text" in refused("sweep", str(bad))
    assert "cannot read the sweep" in refused("sweep", str(tmp_path))
    assert "nothing of the sweep small is under way" in refused("sweep", small, "--cancel")
    many = tmp_path / "many.yaml"
    many.write_text(f"name: many\nspec: {{seed: {list(range(1001))}}}")
    assert "this grid has 1,001 runs" in refused("sweep", str(many))


def test_a_place_is_refused_with_what_it_lacks_and_its_options_belong_to_it_alone(
    refused: Refused, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused("sweep", small, "--partition", "gpu") == (
        "--partition is an option of --on slurm; say --on slurm, or leave --partition out"
    )
    assert "--sbatch is an option of --on slurm" in refused("sweep", small, "--sbatch", "mem=8G")
    assert "--address is an option of --on ray" in refused("sweep", small, "--address", "head:6379")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused("sweep", small, "--on", "slurm").startswith(
        "--on slurm needs the command sbatch, which this computer does not have"
    )
    assert "is no time" in refused("sweep", small, "--on", "slurm", "--time", "soon")
    monkeypatch.setattr(choice, "find_spec", lambda package: None)
    assert "`pip install -r requirements-cluster.txt`" in refused("sweep", small, "--on", "slurm")


def test_where_the_whole_stands_is_a_line_for_each_end_or_one_that_is_redrawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally(24, 3, 1, 0, 2, 720.0)
    assert sentence(tally) == "3 of 24 done · 2 running · 1 failed · about 12 min left"
    assert sentence(Tally(24, 23, 1, 0, 0, 0.0)) == "23 of 24 done · 0 running · 1 failed"
    ended = Ended(Entry(parse({})), "20260101-000000-0a1b2c3d", "failed", 61.0, "no space")
    with SweepProgress() as lines:
        lines.show(tally)
        lines.tell(ended, tally)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("3 of 24 done") and line.endswith(
        "(resnet20, bn_scale, layers-channels, seed 0) failed: no space"
    )
    terminal = Console(force_terminal=True, width=120, record=True)
    with SweepProgress(terminal) as bar:
        bar.tell(ended, tally)
    shown = terminal.export_text()
    assert "3 of 24 done · 2 running" in shown and "failed: no space" in shown


def test_the_shipped_example_is_72_targets_in_24_runs() -> None:
    raw = yaml.safe_load((ROOT / "examples" / "sweep.yaml").read_text())
    specs = grid.runs(document.read(raw, "sweep.yaml"))
    assert len(specs) == 24 and sum(len(spec.target.keep) for spec in specs) == 72
    assert {(spec.model, spec.data.name, spec.recover.epochs, spec.recover.reconstruct) for spec in specs} == {
        ("resnet20", "clutter", 2, True)
    }
