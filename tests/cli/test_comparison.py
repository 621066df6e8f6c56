"""`compare` and `stats`: which runs are meant, what is printed and written, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import runs

Espalier = Callable[..., Any]
LOSSES = {"l1": 0.06, "l2": 0.08, "fpgm": 0.12}


def launch(store: Store, criterion: str, seed: int, **changes: Any) -> Run:
    spec = specs.parse({"criterion": criterion, "seed": seed, "target": {"keep": [0.7, 0.5]}, **changes})
    run = store.create(spec, experiment="a *night*")
    run.append_point(runs.point(0, "baseline", 1.0, 0.9))
    for number, keep in enumerate(spec.target.keep, start=1):
        top1 = round(0.9 - LOSSES[criterion] * (1 - keep) - 0.002 * seed, 6)
        run.append_point(runs.point(number, "recovered", keep, top1))
    run.append_point(runs.point(9, "quantized", 0.5, 0.5))
    run.update(state="done", progress=1.0, message="done", times={"started": 1.0, "finished": 2.0})
    return run


@pytest.fixture
def night(results: Path) -> dict[str, list[Run]]:
    store = Store(results)
    store.prepare()
    return {criterion: [launch(store, criterion, seed) for seed in (0, 1)] for criterion in LOSSES}


def test_an_experiment_is_told_as_tables_json_markdown_and_a_picture(
    espalier: Espalier, night: dict[str, list[Run]], tmp_path: Path
) -> None:
    page, picture = tmp_path / "night.md", tmp_path / "night.svg"
    said = espalier("stats", "a *night*", "--markdown", str(page), "--svg", str(picture))
    assert said.code == 0, said.err
    for words in (
        "top-1 accuracy · resnet20, clutter",
        "86.90 ± 1.27",
        "Friedman over 2 problems",
        "n = 2 seeds is too",
    ):
        assert words in said.out
    assert page.read_text().startswith("## a \\*night\\*\n") and picture.read_text().startswith("<svg")
    document = espalier("stats", "a *night*", "--at", "0.5", "--json").json()
    assert [kind["name"] for kind in document["kinds"]] == ["l1", "l2", "fpgm"]
    assert [mean["mean"] for mean in document["means"]] == pytest.approx([0.869, 0.859, 0.839])
    assert document["friedman"] is None and document["n"] == 2
    assert document["kinds"][0]["runs"] == [run.id for run in night["l1"]]


def test_a_run_stands_for_its_repetitions_and_a_group_for_its_runs(
    espalier: Espalier, night: dict[str, list[Run]]
) -> None:
    first, second = night["l1"][0], night["l2"][1]
    by_id = espalier("compare", first.id, second.id, "--json").json()
    groups = [part for run in (first, second) for part in ("--group", run.spec().group())]
    assert espalier("compare", *groups, "--json").json() == by_id
    assert by_id["seeds"] == [0, 1] and len(by_id["pairs"]) == 1 and by_id["least_n"] == 6
    costs = espalier("compare", *groups, "--metric", "latency", "--json").json()
    assert [mean["mean"] for mean in costs["means"]] == pytest.approx([0.7, 0.7, 0.9, 0.9])
    assert costs["conditions"]["provider"] == "CPUExecutionProvider"
    assert [mean["mean"] for mean in espalier("compare", first.id, "--int8", "--json").json()["means"]] == [0.5]


def test_runs_that_are_not_done_count_and_it_is_said(espalier: Espalier, night: dict[str, list[Run]]) -> None:
    night["l1"][0].update(state="running", message="")
    notes = espalier("stats", "a *night*", "--json").json()["notes"]
    assert notes == [f"1 run is not done; what they have measured counts: {night['l1'][0].id}"]


def test_what_cannot_be_compared_is_refused_in_one_sentence(
    refused: Callable[..., str], night: dict[str, list[Run]], results: Path, tmp_path: Path
) -> None:
    run = night["l1"][0].id
    other = launch(Store(results), "l2", 0, data={"name": "digits"})
    night_name = "a *night*"
    sentences = {
        ("compare",): "compare takes ids of runs, or --group",
        ("compare", "nobody"): "there is no run 'nobody'",
        ("compare", "--group", "00000000"): "there is no group '00000000'",
        ("compare", run, other.id): "these 2 kinds of runs have no place in common: resnet20, clutter",
        ("compare", run, "--metric", "beauty"): "there is no metric 'beauty'; take one of top1, top5",
        ("compare", run, "--at", "0.1"): "none of these runs has the target 0.1; their targets: 0.7, 0.5",
        ("compare", run, "--board", "tx2"): "--board says where a latency was measured",
        (
            "compare",
            run,
            "--metric",
            "latency",
            "--board",
            "tx2",
        ): "timed on the board tx2; `espalier device",
        ("stats", "nothing"): "there is no experiment 'nothing'; there are a *night*",
        ("stats", night_name, "--by", "seed"): "these runs do not differ in 'seed'; they differ in criterion",
        ("stats", night_name, "--at", "0.5", "--svg", str(tmp_path / "x.svg")): "no critical-difference diagram",
    }
    for arguments, sentence in sentences.items():
        assert sentence in refused(*arguments)
    (other.path / "status.json").write_text("{")
    assert f"run {other.id} cannot be read: " in refused("compare", other.id)
    nowhere = str(tmp_path / "nowhere" / "x.md")
    assert "x.md" in refused("stats", night_name, "--markdown", nowhere, code=1)
    assert json.loads((night["l1"][0].path / "status.json").read_text())["state"] == "done"
