"""The images that a run is refitted on, and that nothing is scored twice for the sake of another target."""

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.pipeline import run as pipeline
from engine.pipeline import select
from engine.pipeline.network import Network
from engine.pipeline.reconstruction import Reconstructor
from engine.spec.parts import RecoverSpec, usual_images
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.storage.store import Store
from engine.surgery.plan import Plan
from engine.surgery.reconstruction.samples import SAMPLES
from tests.support import residual, tiny

SMALL: dict[str, Any] = {
    "model": residual.NAME,
    "data": {"name": "digits", "limit": 120},
    "train": {"epochs": 1, "batch_size": 32},
    "criterion": "obs",
    "recover": {"epochs": 0},
}


def run(results: Path, **changes: Any) -> Run:
    store = Store(results, gallery=results / "none")
    folder = store.create(parse({**SMALL, **changes}), foreground=True)
    pipeline.run(folder.spec(), folder)
    return folder


def test_small_networks_are_refitted_on_more_images_and_none_on_fewer_than_usual() -> None:
    counts = [usual_images(macs) for macs in (0, 10**6, 41 * 10**6, 126 * 10**6, 4 * 10**9)]
    assert counts[:2] == [4_096, 4_096] and 3_000 < counts[2] < 3_300 and 1_024 <= counts[3] < 1_100
    assert counts[4] == 1_024


@pytest.mark.parametrize(
    ("asked", "there", "samples"), [(None, 2_000, SAMPLES), (1_000_000, 64, SAMPLES), (2_000, 2_000, 32_000)]
)
def test_more_images_have_more_samples_where_they_are_asked_for_and_there(
    asked: int | None, there: int, samples: int
) -> None:
    untouched = Network(tiny.network().eval(), Plan("tiny", 4, (3, 16, 16)))
    images, settings = torch.zeros(there, 3, 16, 16), RecoverSpec(calibration_images=asked)
    assert Reconstructor.of(untouched, images, settings, 0, lambda _: None).reference.count == samples


@pytest.mark.parametrize(
    ("order", "scorings"), [("channels", ["channels"]), ("layers-channels", ["layers"] + ["channels"] * 2)]
)
def test_scores_of_the_untouched_network_serve_every_target(
    order: str, scorings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()
    score = select.score

    def counted(recorder: Any, network: Any, baseline: Any, phase: Any) -> Any:
        asked.append(phase)
        return score(recorder, network, baseline, phase)

    monkeypatch.setattr(select, "score", counted)
    both = run(tmp_path / "both", order=order, target={"keep": [0.8, 0.6]}).points()
    assert sorted(asked) == sorted(scorings)
    alone = run(tmp_path / "alone", order=order, target={"keep": [0.6]}).points()
    assert (both[-1].widths, both[-1].correct, both[-1].loss) == (alone[-1].widths, alone[-1].correct, alone[-1].loss)
