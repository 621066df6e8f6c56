"""Previews of a small network: what they say, what they keep for the next, and that they write nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import RequestError
from engine.pipeline import run as pipeline
from engine.pipeline.preview.answer import Preview
from engine.pipeline.preview.request import PreviewRequest, make_request
from engine.pipeline.preview.work import Previewer
from engine.spec.run import parse
from engine.storage.store import Store
from engine.zoo.build import build
from tests.support import residual
from tests.support.previews import without_times
from tests.support.timing import short_timing

SMALL: dict[str, Any] = {
    "model": residual.NAME,
    "data": {"name": "digits", "limit": 64},
    "criterion": "l1",
    "order": "channels",
    "target": {"keep": [0.5]},
    "recover": {"calibration_images": 32},
}

NOWHERE = Path("/nowhere")  # results that nobody looks for


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that nobody trained, in a file."""
    file = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_file(build(residual.NAME, 10, (3, 16, 16), "none", 3).module.state_dict(), file)
    return str(file)


@pytest.fixture(scope="module")
def previewer() -> Previewer:
    """One for several tests, as they are in use."""
    return Previewer()


def request(weights: str, results: Path, images: int = 32, **changes: Any) -> PreviewRequest:
    return make_request(parse({**SMALL, "weights": weights, **changes}), results, images)


def figures(preview: Preview) -> dict[str, Any]:
    """All of an answer that does not depend on the clock."""
    document: dict[str, Any] = without_times(preview.to_json())
    return document


def test_a_new_ratio_costs_only_its_cut_and_nothing_is_written(weights: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    previewer, stages = Previewer(), list[str]()
    first = previewer.answer(request(weights, tmp_path / "results"), stages.append)
    assert any("loading" in stage for stage in stages) and any("scoring" in stage for stage in stages)
    stages.clear()
    second = previewer.answer(request(weights, tmp_path / "results", target={"keep": [0.7]}), stages.append)
    assert {stage.partition(": ")[0] for stage in stages} == {"0.7×"}
    assert first.untouched == second.untouched
    (half,), (most,) = first.targets, second.targets
    assert 0.45 < half.got.macs <= 0.5 < most.got.macs <= 0.7
    for target in (half, most):
        assert (
            target.reconstruction is not None
            and target.reconstruction.after <= target.reconstruction.before
            and target.reconstruction.images == 28
        )
        assert target.reconstructed is not None and target.reconstructed.low <= target.reconstructed.top1
    assert figures(Previewer().answer(request(weights, tmp_path / "results"))) == figures(first)
    assert sorted(tmp_path.rglob("*")) == before


def test_both_phases_go_by_the_scores_of_the_untouched_network(previewer: Previewer, weights: str) -> None:
    stages = list[str]()
    for keep in (0.5, 0.6):
        stages.clear()
        asked = request(weights, NOWHERE, order="layers-channels", target={"keep": [keep]})
        (target,) = previewer.answer(asked, stages.append).targets
        removed = target.blocks_removed
        assert removed and 0.9 * keep < target.got.macs <= keep
        assert all((kept == 0) == name.startswith(removed) for name, (_, kept) in target.widths.items())
    assert not any("scoring" in stage for stage in stages)


def test_without_reconstruction_there_is_the_plain_cut_alone(previewer: Previewer, weights: str) -> None:
    plain = previewer.answer(request(weights, NOWHERE, recover={"reconstruct": False}))
    assert (
        plain.calibration_images == 0
        and plain.targets[0].reconstructed is None
        and plain.targets[0].reconstruction is None
    )
    untouched = previewer.answer(request(weights, NOWHERE, target={"keep": [1.0]})).targets[0]
    assert untouched.reconstructed is None and untouched.got.macs == 1.0 and untouched.notes == ()


def test_it_cuts_what_a_run_cuts_and_finds_the_baseline_that_the_run_trained(tmp_path: Path) -> None:
    spec = parse({**SMALL, "train": {"epochs": 0}, "recover": {"epochs": 0, "calibration_images": 32}})
    store = Store(tmp_path, gallery=tmp_path / "none")
    folder = store.create(spec, foreground=True)
    with short_timing():
        pipeline.run(spec, folder)
    *_, point = folder.points()
    asked = make_request(spec, tmp_path, 1_000)
    before = sorted(tmp_path.rglob("*"))
    preview = Previewer().answer(asked)
    (target,) = preview.targets
    assert f"the baseline of run {folder.id}" in preview.notes[0]
    assert (target.widths, target.macs, target.params) == (point.widths, point.macs, point.params)
    assert target.reconstructed is not None and target.reconstructed.total == point.val_total
    assert sorted(tmp_path.rglob("*")) == before


def test_one_that_is_ended_in_the_middle_leaves_everything_as_it_was(previewer: Previewer, weights: str) -> None:
    asked = request(weights, NOWHERE, order="layers-channels")
    whole = figures(previewer.answer(asked))

    class Enough(Exception):
        pass

    for stage in ("cutting layers", "reconstructing"):
        calls = 0

        def end(said: str, stage: str = stage) -> None:
            nonlocal calls
            calls += stage in said
            if calls == 3 or (calls and "cutting" in stage):
                raise Enough

        with pytest.raises(Enough):
            previewer.answer(asked, end)
    assert figures(previewer.answer(asked)) == whole
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_a_file_that_changed_is_read_again(weights: str, tmp_path: Path) -> None:
    file = tmp_path / "changing.safetensors"
    file.write_bytes(Path(weights).read_bytes())
    previewer = Previewer()
    asked = request(str(file), tmp_path, recover={"reconstruct": False}, target={"keep": [1.0]})
    previewer.answer(asked)
    file.write_bytes(b"something else")
    with pytest.raises(RequestError):
        previewer.answer(asked)


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"order": "alternate"}, "order", "the order alternate goes step by step"),
        ({"order": "layers-channels", "depth": {"method": "direct"}}, "depth.method", "direct goes step by step"),
        ({"width": {"method": "progressive"}}, "width.method", "progressive goes step by step"),
        ({"weights": "none"}, "weights", "a preview trains nothing; there are no weights"),
        ({"target": {"keep": [0.5], "metric": "latency"}}, "target.latency_table", "measures no latencies"),
        ({"target": {"keep": [0.0001]}}, "target.keep", "cannot be met"),
        ({"recover": {"calibration_images": 16}, "data": {"name": "digits", "limit": 8}}, None, "at least 16"),
    ],
)
def test_what_a_preview_cannot_do_is_one_sentence(
    previewer: Previewer, weights: str, changes: dict[str, Any], field: str | None, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence) as refused:
        previewer.answer(request(**{"weights": weights, "results": NOWHERE, **changes}))
    assert field is None or refused.value.field == field


def test_a_request_and_an_answer_are_the_same_after_a_way_through_json(previewer: Previewer, weights: str) -> None:
    asked = request(weights, NOWHERE)
    assert PreviewRequest.from_json(asked.to_json()) == asked
    answer = previewer.answer(asked)
    assert Preview.from_json(answer.to_json()) == answer
    document = asked.to_json()
    others: list[Any] = [[], {"spec": {}}, document | {"validation_images": 3}, document | {"spec": {"a": 1}}]
    for broken in others:
        with pytest.raises(RequestError):
            PreviewRequest.from_json(broken)
