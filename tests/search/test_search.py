"""Whole searches of a small network: the runs that they end with, and what they go on with after a stop."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from engine.cli.main import main
from engine.pipeline import run as pipeline
from engine.search import report, study
from engine.search.work import Search
from engine.spec.search import document as documents
from engine.storage.store import Store
from engine.zoo.build import build
from tests.support import residual
from tests.support.searches import document, raw
from tests.support.storm import started, wait_for
from tests.support.sweeps import InlineExecutor
from tests.support.timing import short_timing

ESPALIER = (sys.executable, "-m", "tests.support.residual")


@pytest.fixture(autouse=True, scope="module")
def five_blocks() -> Iterator[None]:
    """A small residual network is in the catalogue."""
    with residual.declared():
        yield


@pytest.fixture(scope="module")
def weights(five_blocks: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of that network, which nobody trained."""
    file = tmp_path_factory.mktemp("weights") / f"{residual.NAME}.safetensors"
    save_file(build(residual.NAME, 10, (3, 16, 16), "none", 3).module.state_dict(), file)
    return str(file)


def test_a_search_ends_with_runs_of_one_experiment_that_are_as_its_study_says(store: Store, weights: str) -> None:
    asked, executor = document(weights), InlineExecutor(pipeline.run)
    with study.open_studies(store, asked) as studies, short_timing():
        found = Search(store, studies, executor)
        found.work()
        said = report.report(studies, found.untouched, stopped=False)
        recovered, outcomes = studies.recoveries(), studies.outcomes()
    assert (said["trials"], said["recovered"], said["finished"], said["failures"]) == (5, 2, True, [])
    rows = [row for row in store.runs() if row["experiment"] == "small"]
    assert {row["run_id"] for row in rows} == set(executor.begun) and len(rows) == 2
    for each in recovered:
        run_id, _, number = each.attributes["run"].partition(":")
        run = store.run(run_id)
        (point,) = [point for point in run.points() if point.final]
        assert (point.point, point.val_top1, point.macs) == (int(number), each.accuracy, each.costs["macs"])
        assert point.stage == "recovered" and run.spec().digest() == each.attributes["digest"]
        (trial,) = [trial for trial in outcomes if trial.number == each.attributes["trial"]]
        assert trial.params.items() <= each.params.items() and "recover.lr" in each.params
        assert json.loads(each.attributes["spec"])["target"]["keep"] == list(run.spec().target.keep)
    assert {each["point"] for each in said["front"]} <= {each.attributes["run"] for each in recovered}
    assert all("validation images" in each.attributes["accuracy"] for each in outcomes)
    again = InlineExecutor(pipeline.run)
    with study.open_studies(store, asked) as studies:
        Search(store, studies, again).work()
        assert len(studies.outcomes()) == 5 and len(studies.trials.trials) >= 5
    assert not again.begun, "something was done twice"


def test_recoveries_are_begun_as_many_at_a_time_as_there_are_places(store: Store, weights: str) -> None:
    asked, executor, seen = document(weights, trials=3, recover=3), InlineExecutor(pipeline.run, places=2), []

    def look() -> None:
        with study.open_studies(store, asked) as studies:
            seen.append((len(study.unfinished(studies.recovered)), len(studies.recoveries())))

    executor.meanwhile = look
    totals = set()
    with study.open_studies(store, asked) as studies, short_timing():
        Search(store, studies, executor, tally=lambda tally: totals.add(tally.total)).work()
        shares = [each.attributes[study.GAIN] for each in studies.recoveries()]
    assert seen == [(2, 0), (2, 0), (1, 2)] and len(shares) == 3
    assert totals == {3}, "how far the whole is counts what has not begun"


def test_a_network_of_own_images_is_trained_first_and_trials_begin_with_what_came_of_it(
    store: Store, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    images = {f"{part}_images": random.integers(0, 255, (32, 16, 16), np.uint8) for part in ("train", "val", "test")}
    labels = {f"{part}_labels": np.arange(32)[:, None] % 4 for part in ("train", "val", "test")}
    np.savez(tmp_path / "own.npz", **images, **labels)
    spec = {"model": residual.NAME, "data": {"name": f"npz:{tmp_path / 'own.npz'}"}, "train": {"epochs": 0}}
    spec |= {"order": "channels", "recover": {"epochs": 0}}
    space = {"target": {"keep": [0.5, 0.7]}, "criterion": ["l1"], "recover": {"calibration_images": [16]}}
    asked = documents.read({"name": "own", "spec": spec, "space": space, "trials": 2, "recover": 1}, "search.yaml")
    executor = InlineExecutor(pipeline.run)
    with study.open_studies(store, asked) as studies, short_timing():
        Search(store, studies, executor).work()
        outcomes, recovered = studies.outcomes(), studies.recoveries()
    untouched, pruned = executor.begun
    weights = {json.loads(each.attributes["spec"])["weights"] for each in (*outcomes, *recovered)}
    assert weights == {f"{untouched}:0"} and store.run(pruned).spec().weights == f"{untouched}:0"
    (trial,) = [each for each in outcomes if each.number == recovered[0].attributes["trial"]]
    assert trial.costs == recovered[0].costs and len(outcomes) == 2


def test_a_search_that_is_killed_goes_on_and_loses_one_trial_at_most(
    store: Store, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(json.dumps(raw(weights, trials=8, recover=0)))
    arguments = ["search", str(file), "--results", str(store.root), "--json"]
    driver = started([*ESPALIER, *arguments])
    path = study.path_of(store, "small")
    wait_for(lambda: _complete(path) >= 2)
    driver.kill()
    driver.wait()
    before = _complete(path)
    assert main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["trials"] == 8 and said["finished"] and said["recovered"] == 0 and said["front"]
    with study.open_studies(store, document(weights, trials=8, recover=0)) as studies:
        ended = [trial.user_attrs.get("error") for trial in studies.trials.trials if trial.number >= before]
        assert sum("ended in the middle" in (error or "") for error in ended) <= 1
        digests = [each.attributes["digest"] for each in studies.outcomes()]
        assert len(set(digests)) == len(digests) == 8


def test_cancelling_stops_a_search_elsewhere_and_it_keeps_what_it_has(
    store: Store, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(json.dumps(raw(weights, trials=500, recover=0)))
    arguments = ["search", str(file), "--results", str(store.root)]
    driver = started([*ESPALIER, *arguments, "--json"])
    wait_for(lambda: _complete(study.path_of(store, "small")) >= 1)
    assert main(arguments) == 2 and "works on the search small already" in capsys.readouterr().err
    assert main([*arguments, "--cancel"]) == 0 and "small stopped; 0 runs cancelled" in capsys.readouterr().out
    assert driver.wait() == 130
    with study.open_studies(store, document(weights, trials=500, recover=0)) as studies:
        assert not study.unfinished(studies.trials) and studies.outcomes()


def _complete(path: Path) -> int:
    if not path.exists():
        return 0
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # its tables are being made
    finally:
        connection.close()
