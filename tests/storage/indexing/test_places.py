"""A job's folder has the same stamp from outside as while it is held, and another one after each change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.storage.folders.run import Run
from engine.storage.indexing.places import Place
from engine.storage.store import Store
from tests.support import runs
from tests.support.stores import filled, point


def inside(place: Place, run: Run) -> str:
    with run.held() as held:
        assert held is not None
        return place.stamp_of(run.id, held)


CHANGES: dict[str, Callable[[Run], object]] = {
    "a status": lambda run: run.update(message="goes on"),
    "a point": lambda run: run.append_point(point(3, 0.9)),
    "a timing on a board": lambda run: run.append_measurement(runs.timing(2)),
    "a request": lambda run: (run.path / "spec.json").write_text("{}"),
    "a network": lambda run: run.model_file(0, "onnx").touch(),
    "no status": lambda run: (run.path / "status.json").unlink(),
    "no points": lambda run: (run.path / "points.jsonl").unlink(),
}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_stamp_is_the_same_from_outside_and_another_one_after_each_change(
    store: Store, tmp_path: Path, elsewhere: bool
) -> None:
    run = filled(store)
    place = Place(store.folder, "gallery", tmp_path / "measurements") if elsewhere else Place(store.folder, "run")
    seen = [place.stamp(run.id)]
    for name, change in CHANGES.items():
        change(run if name != "a timing on a board" else place.job(run.id))
        seen.append(place.stamp(run.id))
        assert seen[-1] == inside(place, run) and seen[-1] not in seen[:-1], name


def test_a_file_that_comes_while_a_folder_is_read_is_seen_by_the_next_look(store: Store) -> None:
    run, place = filled(store), Place(store.folder, "run")
    with run.held() as held:
        assert held is not None
        run.append_measurement(runs.timing(2))
        assert place.stamp_of(run.id, held) != place.stamp(run.id)
