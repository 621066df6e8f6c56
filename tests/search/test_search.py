"""Searches of a small network that nobody trained: what they try, train on, keep, and go on with after a stop."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file
from sqlalchemy import event

from engine.cli.main import main
from engine.errors import RequestError, WorkError
from engine.pipeline import run as pipeline
from engine.search import recovery, report, study, trials
from engine.search.outcome import Measured, Outcome
from engine.search.study import Studies
from engine.search.trials import Exploration, Standing
from engine.search.work import Search
from engine.spec.run import RunSpec
from engine.spec.search import document as documents
from engine.spec.search.document import Document
from engine.storage.store import Store
from engine.zoo.build import build
from tests.support.storm import started, wait_for
from tests.support.sweeps import InlineExecutor
from tests.support.timing import short_timing

SPACE = {
    "criterion": ["l1", "bn_scale"],
    "order": ["layers-channels", "channels"],
    "target": {"keep": {"min": 0.3, "max": 0.9}, "depth_share": {"min": 0.0, "max": 1.0}},
    "recover": {"calibration_images": [16], "lr": {"min": 0.001, "max": 0.01}},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "resnet20.safetensors"
    save_file(build("resnet20", 10, (3, 16, 16), "none", 3).module.state_dict(), file)
    return str(file)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "none")


def raw(weights: str, **changes: Any) -> dict[str, Any]:
    spec = {
        "model": "resnet20",
        "weights": weights,
        "data": {"name": "digits", "limit": 48},
        "recover": {"epochs": 1},
    }
    return {"name": "small", "spec": spec, "space": SPACE, "trials": 5, "recover": 2} | changes


def document(weights: str, **changes: Any) -> Document:
    return documents.read(raw(weights, **changes), "search.yaml")


@contextmanager
def opened(store: Store, asked: Document) -> Iterator[Studies]:
    with study.open_studies(store, asked) as studies:
        yield studies


class Formula:
    """In place of networks: accuracy by arithmetic, for what does not depend on them."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self.specs: list[RunSpec] = []
        self.stop_after = stop_after

    def measure(self, spec: RunSpec) -> Measured:
        if len(self.specs) == self.stop_after:
            raise trials.Stopped
        if spec.criterion == "bn_scale":
            raise RequestError("bn_scale cannot be met")
        self.specs.append(spec)
        (keep,) = spec.target.keep
        return Measured(keep**0.5, 100, {"macs": 1e6 * keep, "params": 1e4 * keep})


def explore(store: Store, asked: Document, evaluator: Formula) -> tuple[list[Outcome], list[Standing]]:
    shown: list[Standing] = []
    with opened(store, asked) as studies:
        Exploration(studies, evaluator, dict(asked.spec), show=shown.append).work()
        return studies.outcomes(), shown


def stopped_trials(studies: Studies) -> list[Any]:
    return [trial for trial in studies.trials.trials if "stopped" in trial.user_attrs.get("error", "")]


def test_a_search_ends_with_runs_of_one_experiment_that_are_as_its_study_says(store: Store, weights: str) -> None:
    asked, executor = document(weights), InlineExecutor(pipeline.run)
    with opened(store, asked) as studies, short_timing():
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
    with opened(store, asked) as studies:
        Search(store, studies, again).work()
        assert len(studies.outcomes()) == 5 and len(studies.trials.trials) >= 5
    assert not again.begun, "something was done twice"


def test_a_network_of_own_images_is_trained_first_and_trials_begin_with_what_came_of_it(
    store: Store, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    images = {f"{part}_images": random.integers(0, 255, (32, 16, 16), np.uint8) for part in ("train", "val", "test")}
    labels = {f"{part}_labels": np.arange(32)[:, None] % 4 for part in ("train", "val", "test")}
    np.savez(tmp_path / "own.npz", **images, **labels)
    spec = {"data": {"name": f"npz:{tmp_path / 'own.npz'}"}, "train": {"epochs": 0}}
    spec |= {"order": "channels", "recover": {"epochs": 0}}
    space = {"target": {"keep": [0.5, 0.7]}, "criterion": ["l1"], "recover": {"calibration_images": [16]}}
    asked = documents.read({"name": "own", "spec": spec, "space": space, "trials": 2, "recover": 1}, "search.yaml")
    executor = InlineExecutor(pipeline.run)
    with opened(store, asked) as studies, short_timing():
        Search(store, studies, executor).work()
        outcomes, recovered = studies.outcomes(), studies.recoveries()
    untouched, pruned = executor.begun
    weights = {json.loads(each.attributes["spec"])["weights"] for each in (*outcomes, *recovered)}
    assert weights == {f"{untouched}:0"} and store.run(pruned).spec().weights == f"{untouched}:0"
    (trial,) = [each for each in outcomes if each.number == recovered[0].attributes["trial"]]
    assert trial.costs == recovered[0].costs and len(outcomes) == 2


def test_trials_that_cannot_be_met_count_as_none_and_say_why(store: Store, weights: str) -> None:
    evaluator = Formula()
    outcomes, shown = explore(store, document(weights, trials=12), evaluator)
    assert len(outcomes) == len(evaluator.specs) == 12 and shown[-1].done == shown[-1].total == 12
    assert shown[-1].refused > 0
    with opened(store, document(weights, trials=12)) as studies:
        errors = [trial.user_attrs["error"] for trial in studies.trials.trials if "error" in trial.user_attrs]
    assert errors == ["bn_scale cannot be met"] * shown[-1].refused


def test_the_first_trials_are_the_starts_of_all_settings_at_ratios_over_the_range(store: Store, weights: str) -> None:
    evaluator = Formula()
    explore(store, document(weights, trials=8), evaluator)
    keeps = [spec.target.keep[0] for spec in evaluator.specs]
    assert {(spec.criterion, spec.order, spec.target.depth_share) for spec in evaluator.specs} == {
        ("l1", "layers-channels", 0.5)
    }
    assert keeps == sorted(keeps) and keeps[0] < 0.35 and keeps[-1] > 0.85


def test_a_search_that_stops_in_the_middle_of_a_trial_repeats_that_one_alone(store: Store, weights: str) -> None:
    first = Formula(stop_after=3)
    asked = document(weights, trials=study.WARM_STARTS + 1, space={**SPACE, "criterion": ["l1"]})
    with opened(store, asked) as studies:
        exploration = Exploration(studies, first, dict(studies.document.spec))
        exploration.stopped = lambda: bool(stopped_trials(studies))
        exploration.work()
        (stopped,) = stopped_trials(studies)
    second = Formula()
    outcomes, _ = explore(store, asked, second)
    assert (len(outcomes), len(first.specs), len(second.specs)) == (9, 3, 6)
    assert stopped.params in [each.params for each in outcomes]
    assert not {spec.digest() for spec in first.specs} & {spec.digest() for spec in second.specs}


def test_a_trial_whose_process_was_killed_is_marked_and_done_again(store: Store, weights: str) -> None:
    asked = document(weights, trials=study.WARM_STARTS, space={**SPACE, "criterion": ["l1"]})
    with opened(store, asked) as studies:
        begun = studies.trials.ask()  # as a process leaves it that is killed now
        study.suggest(begun, asked.network_space())
        lost = begun.params
    evaluator = Formula()
    outcomes, _ = explore(store, asked, evaluator)
    assert len(outcomes) == 8 and lost in [each.params for each in outcomes]
    with opened(store, asked) as studies:
        assert "ended in the middle" in studies.trials.trials[0].user_attrs["error"]
        assert studies.trials.trials[0].state.name == "FAIL" and not study.unfinished(studies.trials)


def test_a_network_that_comes_up_again_is_not_measured_again(store: Store, weights: str) -> None:
    space = {"target": {"keep": [0.5, 0.6]}, "criterion": ["l1"]}
    evaluator = Formula()
    outcomes, shown = explore(store, document(weights, space=space, trials=3), evaluator)
    assert len(outcomes) == len(evaluator.specs) == 2 and shown[-1].done == 2
    with opened(store, document(weights, space=space, trials=3)) as studies:
        assert sum("same as trial" in trial.user_attrs for trial in studies.trials.trials) == 13


def test_constraints_mark_trials_and_one_that_nothing_keeps_names_the_nearest(store: Store, weights: str) -> None:
    asked = document(weights, trials=12, constraints={"macs": "0.5 M"}, space={**SPACE, "criterion": ["l1"]})
    outcomes, shown = explore(store, asked, Formula())
    kept = [each for each in outcomes if each.costs["macs"] <= 5e5]
    assert [each.feasible for each in outcomes] == [each in kept for each in outcomes]
    assert shown[-1].feasible == len(kept) > 0
    untouched = Measured(1.0, 100, {"macs": 1e6, "params": 1e4})
    assert all(each.feasible for each in recovery.choose(outcomes, 12, ["macs"], untouched))
    assert all(each.feasible for each in report.front(outcomes, ["macs"]))
    strict = document(weights, name="strict", trials=3, constraints={"macs": 1000})
    outcomes, _ = explore(store, strict, Formula())
    with pytest.raises(WorkError, match=r"none of 3 trials keeps macs at most 1\.00 k; the nearest is trial \d"):
        trials.refuse_infeasible(outcomes, strict)


def test_a_space_that_nothing_of_can_be_met_ends_with_the_reason(store: Store, weights: str) -> None:
    asked = document(weights, trials=2, recover=0, space={**SPACE, "criterion": ["bn_scale"]})
    with pytest.raises(WorkError, match="none of 10 trials can be met, the last one because bn_scale cannot be met"):
        explore(store, asked, Formula())


def test_another_search_of_the_same_name_is_refused_and_more_trials_are_not(store: Store, weights: str) -> None:
    explore(store, document(weights, trials=2), Formula())
    with (
        pytest.raises(RequestError, match="has begun with another spec, space"),
        opened(store, document(weights, constraints={"macs": 5})),
    ):
        pass
    with (
        pytest.raises(RequestError, match="has begun with another spec, space"),
        opened(store, document(weights, objectives=["accuracy", "macs", "params"])),
    ):
        pass
    assert len(explore(store, document(weights, trials=3, seed=5), Formula())[0]) == 3


def test_a_damaged_file_is_one_sentence(store: Store, weights: str) -> None:
    asked = document(weights)
    store.prepare()
    path = study.path_of(store, asked.name)
    path.parent.mkdir()
    path.write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.raises(WorkError, match=r"small\.db is damaged or no search's"), opened(store, asked):
        pass


def test_a_full_disk_is_one_sentence_and_the_search_goes_on_later(store: Store, weights: str) -> None:
    asked = document(weights, trials=4)

    class Full(Formula):
        def measure(self, spec: RunSpec) -> Measured:
            if len(self.specs) == 2:
                fill(studies)
            return super().measure(spec)

    with (
        pytest.raises(WorkError, match=r"the disk is full: .* give the same command again"),
        opened(store, asked) as studies,
    ):
        Exploration(studies, Full(), dict(asked.spec)).work()
    assert len(explore(store, asked, Formula())[0]) == 4


def test_names_that_are_no_files_have_one_all_the_same(store: Store) -> None:
    assert study.path_of(store, "a b-1.2").name == "a b-1.2.db"
    for name in ("../up", "a/b", "ä", ".hidden"):
        path = study.path_of(store, name)
        assert path.parent == store.root / "searches" and len(path.stem) == 8


def test_a_search_that_is_killed_goes_on_and_loses_one_trial_at_most(
    store: Store, weights: str, tmp_path: Path
) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(json.dumps(raw(weights, trials=8, recover=0)))
    command = [sys.executable, "-m", "engine", "search", str(file), "--results", str(store.root), "--json"]
    driver = started(command)
    path = study.path_of(store, "small")
    wait_for(lambda: _complete(path) >= 2)
    driver.kill()
    driver.wait()
    before = _complete(path)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["trials"] == 8 and said["finished"] and said["recovered"] == 0 and said["front"]
    with opened(store, document(weights, trials=8, recover=0)) as studies:
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
    driver = started([sys.executable, "-m", "engine", *arguments, "--json"])
    wait_for(lambda: _complete(study.path_of(store, "small")) >= 1)
    assert main(arguments) == 2 and "works on the search small already" in capsys.readouterr().err
    assert main([*arguments, "--cancel"]) == 0 and "small stopped; 0 runs cancelled" in capsys.readouterr().out
    assert driver.wait() == 130
    with opened(store, document(weights, trials=500, recover=0)) as studies:
        assert not study.unfinished(studies.trials) and studies.outcomes()


def fill(studies: Studies) -> None:
    """The database may not grow any more, as on a full disk, and has no room left in it."""
    storage: Any = studies.trials._storage
    engine = storage._backend.engine
    with engine.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    storage.remove_session()
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}"))
    studies.trials.set_user_attr("filler", "x" * 100_000)


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
