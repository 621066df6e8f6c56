"""How long runs take, worked out from the speed of the machine."""

from dataclasses import replace
from typing import Any

import pytest

from engine.pipeline.duration import estimate as duration
from engine.pipeline.duration import speed
from engine.pipeline.duration.estimate import Images, Job, Speed
from engine.pipeline.duration.size import bytes_of, points_of
from engine.prune.forecast import forecast
from engine.spec import run as specs
from tests.support.screen import small_summary

SPEED = Speed(train=0.003, evaluate=0.001, device="cpu", threads=2)
COUNTS = {"train": 1000, "test": 100}


def seconds(trains: bool = True, counts: dict[str, int] = COUNTS, **request: Any) -> duration.Estimate:
    spec = specs.parse({"target": {"keep": [0.6]}} | request)
    summary = small_summary()
    job = Job(spec, summary, forecast(summary, spec), trains)
    return duration.estimate([job], counts, SPEED)


def test_splits_are_cut_as_loading_cuts_them() -> None:
    assert duration.split_sizes(COUNTS, 0.1, None) == Images(900, 100, 100)
    assert duration.split_sizes({"train": 1000}, 0.1, None) == Images(720, 80, 200)
    assert duration.split_sizes({"train": 1000, "val": 50, "test": 70}, 0.1, 60) == Images(60, 50, 60)


def test_what_is_trained_longer_or_on_more_images_takes_longer() -> None:
    plain = seconds()
    assert not plain.more
    epoch = 900 * SPEED.train + 100 * SPEED.evaluate
    assert seconds(train={"epochs": 21}).seconds - plain.seconds == pytest.approx(epoch)
    assert seconds(trains=False).seconds == pytest.approx(plain.seconds - 20 * epoch)
    assert seconds(recover={"epochs": 6}).seconds > plain.seconds > seconds(data={"limit": 100}).seconds
    assert seconds(target={"keep": [0.8, 0.6]}).seconds > plain.seconds > seconds(target={"keep": [0.5]}).seconds
    assert seconds(recover={"distil": True}).seconds > plain.seconds
    assert seconds(target={"lose": 1.0}).seconds > 0


def test_what_is_attempted_step_by_step_is_said_to_come_on_top() -> None:
    assert seconds(width={"method": "progressive"}).more
    assert seconds(depth={"method": "direct"}).more and not seconds(depth={"method": "one-shot"}).more


def test_the_speed_of_this_machine_is_measured_without_any_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    spec = specs.parse({"data": {"name": "cifar10"}, "device": "cpu"})
    measured = speed.measure(spec)
    assert measured.train > measured.evaluate > 0 and measured.device == "cpu"
    assert speed.counts_of(spec) == {"train": 50_000, "test": 10_000}


def test_declared_counts_are_those_that_loading_finds() -> None:
    from engine.data.load import load

    for name in ("digits",):
        spec = specs.parse({"data": {"name": name}})
        data = load(spec.data, 0)
        counts = duration.declared_counts(name)
        assert counts is not None
        assert duration.split_sizes(counts, 0.1, None) == Images(len(data.train), len(data.val), len(data.test))


def test_a_refit_of_a_large_network_is_reckoned_with_as_many_images_as_a_run_takes() -> None:
    large = replace(small_summary(), macs=4 * 10**9)
    usual, told = (specs.parse({"recover": recover}) for recover in ({}, {"calibration_images": 1_024}))
    both = [duration.estimate([Job(spec, large, (), False)], COUNTS, SPEED).seconds for spec in (usual, told)]
    assert both[0] == both[1]


def test_the_disk_that_runs_take_counts_every_network_that_is_kept() -> None:
    spec, summary = specs.parse({"target": {"keep": [0.8, 0.6, 0.4]}}), small_summary()
    job = Job(spec, summary, (), trains=True)
    assert points_of(spec) == 1 + 3 * 4
    assert points_of(specs.parse({**spec.model_dump(mode="json"), "int8": True})) == 1 + 3 * 5
    assert bytes_of([job] * 2) == 2 * bytes_of([job]) > 26 * 4 * summary.params
