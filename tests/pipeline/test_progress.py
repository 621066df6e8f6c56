"""What a run's folder says while a step is worked on."""

from pathlib import Path

import pytest

from engine.pipeline.step import BASELINE, Progress, StepKey
from engine.spec.run import parse
from engine.storage.records.event import PhaseEvent
from engine.storage.store import Store


def test_a_training_moves_with_its_batches_written_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Store(tmp_path, gallery=tmp_path / "none").create(parse({}), foreground=True)
    progress = Progress(folder, 10)
    on_batch = progress.batches_of_epochs(BASELINE, "training", 4)
    on_batch(0.25)
    assert (folder.status().message, folder.status().progress) == ("baseline, training, epoch 1/4, 25%", 0.025)
    on_batch(0.5)
    assert folder.status().progress == 0.025, "a second has not passed"
    monkeypatch.setattr(Progress, "WAIT", 0.0)
    on_batch(1.0)
    assert folder.status().message == "baseline, training, epoch 1/4, 100%"
    on_batch(1.5)
    assert (folder.status().message, folder.status().progress) == ("baseline, training, epoch 2/4, 50%", 0.15)
    progress.batches(StepKey("recovered", "channels", 0.5, 2), "recovering", 20)(5)
    assert folder.status().message == "0.5×: channels step 2, recovering, 5 of 20 batches"
    assert folder.status().progress == 0.15 and folder.events(PhaseEvent) == [], "events tell of steps, not of batches"
    folder.lock.release()
