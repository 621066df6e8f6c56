"""Requests that no form and no flag would make: one sentence, whatever stands in them."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError, WorkError
from engine.spec import board_timing, phases
from engine.spec import run as run_spec

HUGE = 10**5000
NESTED: Any = []
for _ in range(5000):
    NESTED = [NESTED]
POINT = {"run": "20261129-042231-58bb27ad", "point": 0}


def refusal(parse: Callable[[Any], object], raw: Any) -> str:
    with pytest.raises((RequestError, WorkError)) as caught:
        parse(raw)
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 600
    sentence.encode()
    return sentence


SPECS: dict[str, tuple[Any, str]] = {
    "a numbered key": ({1: 2}, "the spec has a key that is no text: 1"),
    "a key without a name": ({None: 2}, "the spec has a key that is no text: null"),
    "a numbered key in a part": ({"data": {1: 2}}, "the spec has a key in data that is no text: 1"),
    "a huge key": ({HUGE: 2}, "no text: a whole number of very many digits"),
    "a key of half a character": ({"\ud800": 2}, "no text: '\\ud800'"),
    "a key of two lines": ({"a\nb": 2}, "unknown key 'a\\nb'"),
    "a long key": ({"a" * 10**6: 2}, "unknown key 'aaaaa"),
    "half a character": ({"model": "\ud800"}, "unknown model '\\ud800'"),
    "half a character in a path": ({"weights": "\ud800"}, "weights holds characters that are not text"),
    "a huge name": ({"model": HUGE}, "model must be text (got a whole number of very many digits)"),
    "a huge seed": ({"seed": HUGE}, "seed must be a whole number of at least 0"),
    "a huge seed below zero": ({"seed": -HUGE}, "seed must be a whole number of at least 0"),
    "a huge limit": ({"data": {"limit": HUGE}}, "data.limit must be a whole number of at least 1 (got a whole"),
    "a huge rate": ({"train": {"lr": HUGE}}, "train.lr must be a number above 0"),
    "a huge ratio": ({"target": {"keep": [HUGE]}}, "target.keep must be a list of numbers"),
    "nested ratios": ({"target": {"keep": NESTED}}, "target.keep must be a list of numbers"),
    "nested normalisation": ({"data": {"normalize": NESTED}}, "data.normalize must be imagenet"),
    "no number": ({"train": {"lr": float("nan")}}, "train.lr must be a finite number above 0 (got nan)"),
    "no version": ({"schema_version": HUGE}, "schema_version a whole number of very many digits"),
    "a list": (NESTED, "a spec is one JSON object"),
    "very many criteria": ({"criterion": "+".join(["l1"] * 10**5)}, "names one twice"),
    "criterion of a direct run": (
        {"order": "layers", "depth": {"method": "direct"}, "criterion": HUGE},
        "criterion must be text",
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_with_something_odd_in_it_is_refused(name: str) -> None:
    raw, fragment = SPECS[name]
    assert fragment in refusal(run_spec.parse, raw)


TIMINGS: dict[str, tuple[Any, str]] = {
    "nothing": (None, "the request must be an object with the keys schema_version, device"),
    "a list": (NESTED, "the request must be an object"),
    "a numbered key": ({1: 2, "device": "a", "points": [POINT]}, "a key that is no text: 1"),
    "a huge point": ({"device": "a", "points": [{**POINT, "point": HUGE}]}, "a whole number of very many digits"),
    "nested points": ({"device": "a", "points": NESTED}, "points must be 1 to 8 points"),
    "digits of another script": (
        {"device": "a", "points": [{**POINT, "run": "२" + POINT["run"][1:]}]},  # type: ignore[index]
        "which is not a run id",
    ),
    "no number": ({"device": "a", "points": [POINT], "seconds": float("nan")}, "seconds must be a finite number"),
}


@pytest.mark.parametrize("name", TIMINGS)
def test_a_timing_with_something_odd_in_it_is_refused(name: str) -> None:
    raw, fragment = TIMINGS[name]
    assert fragment in refusal(board_timing.parse, raw)


STORED: dict[str, tuple[Any, str]] = {
    "a list": ([], "it is no object"),
    "a numbered order": ({"order": 5}, "its order is 5"),
    "a huge order": ({"order": HUGE}, "its order is a whole number"),
    "an order of its own": ({"order": "layers-layers"}, "its order is 'layers-layers'"),
    "a part that is none": ({"depth": []}, "its depth is no object"),
    "no list of ratios": ({"target": {"keep": 5}}, "its target.keep must be a list"),
    "epochs of text": ({"recover": {"epochs": "x"}}, "its recover.epochs must be a whole number"),
}


@pytest.mark.parametrize("name", STORED)
def test_a_stored_request_that_has_no_phases_is_damaged(name: str) -> None:
    raw, fragment = STORED[name]
    assert f"a stored request is damaged: {fragment}" in refusal(phases.of_request, raw)


def test_a_stored_request_of_a_later_version_has_phases() -> None:
    stored = {"order": "channels", "model": "later", "target": {"keep": [0.5], "later": 1}, "later": {}}
    assert phases.targets(phases.of_request(stored)) == [0.5]


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**4000)
    | st.text(max_size=9)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def altered(whole: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """A document with one or two of its values, or of its parts' values, replaced by anything."""
    places = [(name,) for name in whole] + [
        (name, key) for name, part in whole.items() if isinstance(part, Mapping) for key in part
    ]

    def change(changes: dict[tuple[str, ...], Any]) -> dict[str, Any]:
        document = {name: dict(part) if isinstance(part, Mapping) else part for name, part in whole.items()}
        for (first, *rest), value in changes.items():
            if not rest:
                document[first] = value
            elif isinstance(document[first], dict):
                document[first][rest[0]] = value
        return document

    return st.dictionaries(st.sampled_from(places), ODD, min_size=1, max_size=2).map(change)


SPEC = run_spec.RunSpec().model_dump(mode="json")
TIMING = board_timing.parse({"device": "a", "points": [POINT]}).model_dump(mode="json")


@settings(max_examples=60, deadline=None)
@given(spec=altered(SPEC), timing=altered(TIMING))
def test_any_value_in_a_request_is_taken_or_refused_in_one_sentence(spec: Any, timing: Any) -> None:
    for parse, raw in ((run_spec.parse, spec), (board_timing.parse, timing), (phases.of_request, spec)):
        try:
            parsed = parse(raw)  # type: ignore[operator]
        except (RequestError, WorkError) as error:
            assert "\n" not in str(error)
            str(error).encode()
        else:
            if parse is not phases.of_request:
                parsed.digest()
