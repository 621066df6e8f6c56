"""Numbers as labels: from 0 without a gap, or as the request says; else refused with what was found."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.arrays.labels import read_labels
from engine.errors import RequestError
from engine.spec.images.label_rules import LabelRules, parse

NUMBERS = st.lists(st.integers(-3, 300), min_size=1, max_size=30)


def read(train: Any, rules: str | None = None, **others: Any) -> tuple[list[int], tuple[str, ...], tuple[str, ...]]:
    numbers = {name: np.asarray(values, np.int64) for name, values in {"train": train, **others}.items()}
    labels = read_labels("npz d.npz", numbers, None if rules is None else parse(rules))
    return labels.labels["train"].tolist(), labels.classes, labels.notes


def refusal(train: Any, rules: str | None = None, **others: Any) -> str:
    with pytest.raises(RequestError) as caught:
        read(train, rules, **others)
    assert caught.value.field == "data.labels"
    return str(caught.value)


@pytest.mark.parametrize(
    ("train", "found", "way"),
    [
        ([1, 2, 3], "train_labels holds 1 to 3", "--labels from-1 counts the 3 classes from 1"),
        ([0, 1, 255, 255], "holds 0 to 1 and 255", "--labels ignore-255 leaves out 2 images with 255 (2 classes)"),
        ([1, 2, 255], "holds 1 to 2 and 255", "--labels from-1+ignore-255 leaves out 1 image with 255 (2 classes)"),
        ([0, 2, 5], "holds 0, 2 and 5", "--labels compact makes 3 classes of them"),
        ([0, 3], "holds 0 and 3", "--labels as-is takes 4, 2 classes of them without an image"),
        ([-1, 0, 1], "train_labels goes down to -1", "--labels ignore--1 leaves such images out"),
        ([7] * 9, "train_labels holds 7", "--labels from-7 counts the 1 class from 7"),
    ],
)
def test_stray_numbers_are_refused_with_what_was_found_and_what_they_may_mean(train: Any, found: str, way: str) -> None:
    sentence = refusal(train)
    assert found in sentence and way in sentence


def test_rules_say_what_numbers_mean() -> None:
    assert read([1, 3, 2], "from-1") == ([0, 2, 1], ("1", "2", "3"), ("labels count from 1",))
    ignored = ("2 images with the label 255 left out",)
    assert read([0, 255, 1], "ignore-255", test=[255, 0]) == ([0, 1], ("0", "1"), ignored)
    assert read([5, 900, 17], "compact")[:2] == ([0, 2, 1], ("5", "17", "900"))
    assert read([0, 3], "as-is") == ([0, 3], ("0", "1", "2", "3"), ("2 of 4 classes have no image",))
    assert read([1, -1, 2, 255], "from-1+ignore--1+ignore-255")[:2] == ([0, 1], ("1", "2"))


def test_a_rule_that_does_nothing_or_too_much_is_refused() -> None:
    assert "no label is 255, so there is none to ignore" in refusal([0, 1], "ignore-255")
    assert "test is left without an image" in refusal([0, 255], "ignore-255", test=[255])
    assert "train_labels goes down to 0; labels are whole numbers from 1" in refusal([0, 1], "from-1")
    assert "test_labels holds class 9, of which train has no image" in refusal([0, 1], test=[9])
    assert "at most 100,000 classes are taken" in refusal_without_field([0, 10**6], "as-is")


def refusal_without_field(train: Any, rules: str) -> str:
    with pytest.raises(RequestError) as caught:
        read(train, rules)
    return str(caught.value)


@given(train=NUMBERS, rules=st.sampled_from([None, "compact", "as-is", "from-1", "ignore-255", "ignore--1+compact"]))
def test_labels_are_0_to_classes_or_refused_in_one_sentence(train: list[int], rules: str | None) -> None:
    try:
        labels, classes, _ = read(train, rules)
    except RequestError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
        return
    kept = [number for number in train if number not in (parse(rules) if rules else LabelRules()).ignore]
    assert [classes[label] for label in labels] == [str(number) for number in kept]
    assert rules == "as-is" or set(labels) == set(range(len(classes)))
