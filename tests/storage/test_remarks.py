"""What a reader of a run is told before its numbers."""

from typing import Any

import pytest

from engine.storage.records import remarks
from engine.storage.records.event import PseudoLabelAnswers, PseudoLabels
from engine.storage.records.point import Point
from tests.support import runs


def counted(number: int, correct: int, total: int = 200, chance: float | None = 0.2, **more: Any) -> Point:
    stage = "recovered" if number else "baseline"
    numbers = {"correct": correct, "total": total} | ({} if chance is None else {"chance": chance})
    return runs.point(number, stage, 0.5 if number else 1.0, correct / total, **numbers, **more)


def timed(number: int, p50_ms: float, widths: dict[str, list[int]], **more: Any) -> Point:
    entry = {"provider": "CPUExecutionProvider", "threads": 1, "batch": 1, "n": 200, "p50_ms": p50_ms} | more
    return runs.point(number, "recovered" if number else "baseline", 1.0, 0.9, latency=[entry], widths=widths)


def test_notes_are_those_of_the_last_start_and_all_that_came_since_each_once() -> None:
    lines: list[dict[str, Any]] = [
        {"t": 1.0, "kind": "start", "notes": ["a", "b"], "device": "cpu"},
        {"t": 2.0, "kind": "note", "text": "the floor ended removal"},
        {"t": 3.0, "kind": "epoch", "loss": 1.0},
        {"t": 4.0, "kind": "start", "notes": ["b", "c"], "device": "cpu"},
        {"t": 5.0, "kind": "note", "text": "b"},
    ]
    assert remarks.notes(lines) == ["b", "c", "the floor ended removal"]
    assert remarks.notes([]) == []


def test_points_that_guessing_may_have_given_are_named() -> None:
    points = [counted(0, 45), counted(1, 120), counted(2, 40), counted(3, 0)]
    assert remarks.of_accuracy(points) == [
        "the baseline is no better than chance: 45 of 200 images right, where naming the commonest class gives 20.0%",
        "points 2, 3: no better than chance, too",
    ]
    assert remarks.of_accuracy([counted(0, 180), counted(1, 170)]) == []
    assert not remarks.may_be_guessed(300, 200, 0.1), "no counts of anything: somebody edited them"
    assert remarks.of_accuracy([counted(0, 40, chance=None)]) == [], "earlier versions did not say what guessing gives"


def test_a_slower_point_says_so_and_why_and_what_helps() -> None:
    base, odd = {"conv1": [16, 16], "conv2": [32, 32]}, {"conv1": [16, 13], "conv2": [32, 24]}
    assert remarks.of_latency([timed(0, 0.32, base), timed(1, 0.51, odd), timed(2, 0.18, odd)]) == [
        "point 1 takes 1.59× the baseline's time; likely because 1 of its widths, such as 13, are no multiples of 8, "
        "which --round-to 8 avoids"
    ]
    even = {"conv1": [16, 8], "conv2": [30, 29]}
    (said,) = remarks.of_latency([timed(0, 0.32, base), timed(1, 0.51, even), timed(2, 0.4, odd)])
    assert said == "points 1, 2 take up to 1.59× the baseline's time", "where widths are not the reason, none is given"
    assert remarks.of_latency([]) == []


@pytest.mark.parametrize("more", [{"threads": 2}, {"provider": "CUDAExecutionProvider"}, {"batch": 8}])
def test_times_under_other_conditions_are_not_compared(more: dict[str, Any]) -> None:
    assert remarks.of_latency([timed(0, 0.3, {}), timed(1, 0.6, {}, **more)]) == []


@pytest.mark.parametrize(("milliseconds", "base"), [(1.01, 1.0), (0.5, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_noise_and_what_was_not_measured_is_not_slower(milliseconds: float, base: float) -> None:
    assert remarks.times_slower(milliseconds, base) is None


def test_pseudo_labels_are_told_as_they_were_made_last_and_counted_last() -> None:
    made = [
        PseudoLabels(stage="recover", phase="channels", keep=0.5, step=step, taken=taken, of=1500, classes=classes)
        for step, taken, classes in ((None, 1200, 9), (1, 7, 1))
    ]
    counts = [PseudoLabelAnswers(point=point, taken=7, correct=right) for point, right in ((1, 3), (2, 7), (1, 4))]
    assert remarks.of_pseudo_labels(made, counts) == [
        "pseudo-labels: 7 of 1,500 target images, of 1 class, the last of the 2 times they were made",
        "pseudo-labels that were right, counted after the end: 4 of 7 (57.1%) of point 1, 7 of 7 (100.0%) of point 2",
    ]
    assert remarks.of_pseudo_labels(made[:1], [])[0].endswith("1,200 of 1,500 target images, of 9 classes, made once")
    none = [PseudoLabelAnswers(point=0, taken=0, correct=0)]
    assert remarks.of_pseudo_labels([], none)[0].endswith(": 0 of 0 of point 0"), "of none no share"
    assert remarks.of_pseudo_labels([], []) == []
