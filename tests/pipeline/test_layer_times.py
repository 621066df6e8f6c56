"""The layers of a point: what cannot be measured is refused in a sentence, and what is damaged is said."""

from pathlib import Path

import pytest

from engine.errors import RequestError, WorkError
from engine.pipeline.layer_times.measure import measure
from engine.storage.outcomes import layer_times
from engine.storage.store import Store
from tests.support import runs

RUN = "20261121-062843-dccc3ec7"


def test_what_cannot_be_timed_is_refused_in_one_sentence_each(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    gallery = store.run(RUN)

    def refusal(run_id: str, point: int, threads: int = 1) -> str:
        with pytest.raises(RequestError) as caught:
            measure(store.run(run_id), point, threads, lambda *_: None)
        return str(caught.value)

    assert "has no point 99" in refusal(RUN, 99)
    assert "point 1 " in refusal(RUN, 1) and "comes without p1.plan.json" in refusal(RUN, 1)
    assert "threads must be 1 to" in refusal(RUN, 4, threads=0)
    own = runs.finished(store, runs.spec())
    plan = (gallery.path / "models" / "p4.plan.json").read_bytes()
    own.append_point(runs.point(7, "quantized", 0.5, 0.8))
    for number in (0, 7):
        own.model_file(number, "plan.json").write_bytes(plan)
    assert "is the untouched network" in refusal(own.id, 0)
    assert "is in 8 bit and its p7.onnx is gone; `espalier export" in refusal(own.id, 7)


def test_a_damaged_file_of_layer_times_is_said_and_a_missing_one_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    run = runs.finished(store, runs.spec())
    assert layer_times.read(run, 2) is None
    run.layer_times_file(2).write_text("{}")
    with pytest.raises(WorkError, match=r"p2\.layer_times\.json is damaged: it lacks untouched"):
        layer_times.read(run, 2)
