"""What may be asked for: one text for one spec, groups over seeds, and refusals of one sentence."""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError, concerns
from engine.spec import run as run_spec

# As the design documents it, with the first of every choice taken.
DOCUMENTED = json.loads(
    """
{"schema_version": 1, "model": "resnet20", "weights": "none",
 "data": {"name": "clutter", "root": null, "limit": null, "val_fraction": 0.1},
 "train":   {"epochs": 20, "lr": 0.1,  "batch_size": 128, "weight_decay": 0.0005},
 "order": "layers-channels",
 "criterion": "bn_scale",
 "depth":   {"method": "one-shot"},
 "width":   {"method": "one-shot", "scope": "global", "round_to": 1, "attempt_fraction": 0.1, "layers_per_step": 0.25},
 "target":  {"metric": "macs", "keep": [0.8, 0.6, 0.4], "depth_share": 0.5},
 "recover": {"epochs": 5, "lr": 0.003, "distil": false, "between_phases": true, "between_steps_batches": 0},
 "seed": 0, "device": "auto"}
"""
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PARTIAL = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**31 - 1),
        "criterion": st.sampled_from(["l1", "taylor", "l2+fpgm"]),
        "order": st.sampled_from(run_spec.ORDERS),
        "target": st.fixed_dictionaries({}, optional={"keep": st.lists(st.floats(0.01, 1), min_size=1, unique=True)}),
        "train": st.fixed_dictionaries({}, optional={"lr": st.floats(1e-9, 10), "epochs": st.integers(0, 99)}),
    },
)


def places(value: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every part of a nested mapping."""
    inner = (
        [place for key, part in value.items() for place in places(part, (*above, key))]
        if isinstance(value, dict)
        else []
    )
    return [above, *inner] if above else inner


def test_the_documented_spec_is_the_default_written_out() -> None:
    assert run_spec.parse(DOCUMENTED) == run_spec.RunSpec() == run_spec.parse({})
    written = json.loads(run_spec.parse({}).canonical())
    beyond: dict[str, dict[str, Any]] = {
        "data": {"normalize": None, "image_size": None, "labels": None},
        "train": {"label_smoothing": 0.0},
        "depth": {"floor": None},
        "width": {"rank": None, "select": "per-saving", "least_share": 0.0},
        "target": {
            "latency_table": None,
            "lose": None,
            "at_least": None,
            "also_criteria": [],
            "also_depth_shares": [],
        },
        "recover": {
            "reestimate_bn": False,
            "temperature": 4.0,
            "distil_weight": 0.9,
            "reconstruct": True,
            "calibration_images": None,
            "ridge": 0.001,
        },
    }
    for part, more in beyond.items():
        assert written.pop(part) == {**DOCUMENTED[part], **more}
    assert (written.pop("attempt"), written.pop("int8")) == ({"measure": None, "race": False}, False)
    assert written.pop("keep_layers") is None
    assert written.pop("transfer")["adversarial"]
    assert written == {key: value for key, value in DOCUMENTED.items() if key not in beyond}


@given(raw=PARTIAL)
def test_the_canonical_text_reads_back_to_the_same_spec_and_text(raw: dict[str, Any]) -> None:
    spec = run_spec.parse(raw)
    again = run_spec.parse(json.loads(spec.canonical()))
    assert again == spec
    assert (again.canonical(), again.digest(), again.group()) == (spec.canonical(), spec.digest(), spec.group())


@given(raw=PARTIAL, seed=st.integers(0, 2**31 - 1))
def test_the_seed_changes_the_digest_and_not_the_group(raw: dict[str, Any], seed: int) -> None:
    one, other = run_spec.parse(raw), run_spec.parse({**raw, "seed": seed})
    assert one.group() == other.group()
    assert (one.digest() == other.digest()) == (one.seed == other.seed)


@given(raw=PARTIAL)
def test_anything_but_the_seed_changes_the_group(raw: dict[str, Any]) -> None:
    one = run_spec.parse(raw)
    other = run_spec.parse({**raw, "width": {"round_to": 8}})
    assert one.group() != other.group()


def test_digest_and_group_are_eight_hex_digits_and_keys_may_stand_in_any_order() -> None:
    spec = run_spec.parse(dict(reversed(DOCUMENTED.items())))
    assert all(re.fullmatch("[0-9a-f]{8}", text) for text in (spec.digest(), spec.group()))
    assert spec.digest() == run_spec.RunSpec().digest()
    assert run_spec.parse({"target": {"keep": [1]}}).digest() == run_spec.parse({"target": {"keep": [1.0]}}).digest()


@settings(max_examples=300)
@given(where=st.sampled_from(places(DOCUMENTED)), value=JSON)
def test_whatever_stands_in_a_spec_it_is_taken_or_refused_in_one_sentence(where: tuple[str, ...], value: Any) -> None:
    raw = json.loads(json.dumps(DOCUMENTED))
    part = raw
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    try:
        spec = run_spec.parse(raw)
    except RequestError as error:
        sentence = str(error)
        assert "\n" not in sentence and "Input should" not in sentence and len(sentence) < 500
        assert not sentence.startswith(("value error", "Value error", " ", ":"))
    else:
        assert run_spec.parse(json.loads(spec.canonical())) == spec


@given(key=st.text(max_size=8), where=st.sampled_from([(), ("data",), ("width",), ("recover",)]))
def test_an_unknown_key_is_refused_with_those_that_are_allowed(key: str, where: tuple[str, ...]) -> None:
    expected: Any = DOCUMENTED
    for part in where:
        expected = expected[part]
    if key in expected or key == "normalize":
        return
    raw: Any = {key: 1}
    for part in where:
        raw = {part: raw}
    with pytest.raises(RequestError, match=r"unknown key") as caught:
        run_spec.parse(raw)
    assert ", ".join(list(expected)[:2]) in str(caught.value)


@pytest.mark.parametrize("raw", [[], "resnet20", None, 5])
def test_what_is_no_object_is_refused(raw: Any) -> None:
    with pytest.raises(RequestError, match="a spec is one JSON object"):
        run_spec.parse(raw)


def test_paths_are_absolute_whatever_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = run_spec.parse({"weights": "w.pth", "data": {"name": "npz:d.npz", "root": "here"}})
    assert spec.weights == str(tmp_path / "w.pth")
    assert (spec.data.name, spec.data.root) == (f"npz:{tmp_path / 'd.npz'}", str(tmp_path / "here"))
    pair = run_spec.parse({"data": {"name": "npz:d.npz>folder:e"}})
    assert pair.data.name == f"npz:{tmp_path / 'd.npz'}>folder:{tmp_path / 'e'}"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run_spec.parse({"weights": "~/w.pth"}) == run_spec.parse({"weights": "w.pth"})


@pytest.mark.parametrize("order", run_spec.ORDERS)
def test_an_order_is_its_phases(order: str) -> None:
    assert "-".join(run_spec.parse({"order": order}).phases()) == order


def test_the_first_word_of_a_refusal_is_the_field_that_it_carries() -> None:
    for raw, field in (
        ({"target": {"keep": [2]}}, "target.keep"),
        ({"data": {"normalize": 5}}, "data.normalize"),
        ({"train": 5}, "train"),
        ({"recover": {"distil": "yes"}}, "recover.distil"),
    ):
        with pytest.raises(RequestError) as caught:
            run_spec.parse(raw)
        assert str(caught.value).split()[0] == field == caught.value.field


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"model": "resnet21"}, "model"),
        ({"data": {"name": "npz:"}}, "data.name"),
        ({"data": {"roof": 1}}, "data.roof"),
        ({"weights": ""}, "weights"),
        ({"schema_version": 2}, "schema_version"),
        ({"criterion": "l1+l1"}, "criterion"),
        ({"criterion": "cka"}, "criterion"),
        ({"target": {"keep": [0.5, 0.5]}}, "target.keep"),
        ({"depth": {"method": "direct"}, "order": "channels"}, "depth.method"),
        ({"width": {"select": "rise"}}, "width.select"),
        ({"order": "layers", "width": {"rank": "score"}}, "width.rank"),
        ({"attempt": {"race": True}}, "attempt.race"),
        ({"recover": {"epochs": 0, "distil": True}}, "recover.distil"),
    ],
)
def test_a_refusal_carries_the_field_whatever_its_sentence_begins_with(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        run_spec.parse(raw)
    assert caught.value.field == field


def test_an_error_keeps_its_field_on_the_way_through_rooms_and_processes() -> None:
    with pytest.raises(RequestError) as caught, concerns("data.name"):
        raise RequestError("no such folder")
    assert (str(caught.value), caught.value.field) == ("no such folder", "data.name")
    with pytest.raises(RequestError) as caught, concerns("data.name"):
        raise RequestError("no such folder", field="data.root")
    assert caught.value.field == "data.root"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.field) == ("no such folder", "data.root")


@pytest.mark.parametrize(
    "chosen", [{}, {"criterion": "accuracy"}, {"criterion": "loss"}, {"attempt": {"measure": "loss"}}]
)
def test_a_direct_spec_that_was_written_is_read_as_it_was(chosen: dict[str, Any]) -> None:
    spec = run_spec.parse({"order": "layers", "depth": {"method": "direct"}, **chosen})
    assert run_spec.parse(spec.model_dump(mode="json")) == spec
    assert spec.measure("layers") == spec.criterion == chosen.get("criterion", spec.attempt.measure or "accuracy")


@pytest.mark.parametrize("name", ["weights", "model", "criterion"])
def test_text_is_not_read_from_bytes(name: str) -> None:
    with pytest.raises(RequestError, match=name):
        run_spec.parse({name: b"resnet20"})


def test_an_accuracy_stands_in_place_of_ratios_and_reads_back() -> None:
    spec = run_spec.parse({"target": {"lose": 1, "also_criteria": ["l1"], "also_depth_shares": [0, 1]}})
    assert spec.target.keep == () and spec.target.asks_accuracy
    assert spec.target.least_accuracy(0.92) == pytest.approx(0.91)
    assert run_spec.parse(json.loads(spec.canonical())) == spec
    assert run_spec.parse({"target": {"at_least": 0.9}}).target.least_accuracy(0.92) == 0.9


def test_a_request_for_ratios_has_the_digest_that_it_always_had() -> None:
    ratios = run_spec.parse({"target": {"keep": [0.5]}})
    said = {"lose": None, "at_least": None, "also_criteria": [], "also_depth_shares": []}
    assert run_spec.parse({"target": {"keep": [0.5], **said}}).digest() == ratios.digest()
    assert run_spec.parse({"target": {"lose": 1.0}}).digest() != run_spec.parse({"target": {"lose": 2.0}}).digest()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"target": {"keep": []}}, "target.keep", "must name 1 to 100 ratios"),
        ({"target": {"lose": 1.0, "keep": [0.5]}}, "target.lose", "in place of target.keep"),
        ({"target": {"lose": 1.0, "at_least": 0.9}}, "target.lose", "give one of them"),
        ({"target": {"lose": 0.0}}, "target.lose", "above 0"),
        ({"target": {"lose": True}}, "target.lose", "above 0"),
        ({"target": {"at_least": 91}}, "target.at_least", "below 1"),
        ({"target": {"lose": 1.0}, "order": "alternate"}, "target.lose", "cut at once"),
        ({"target": {"lose": 1.0}, "width": {"method": "progressive"}}, "target.lose", "cut at once"),
        ({"target": {"also_criteria": ["l1"]}}, "target.also_criteria", "give it with"),
        ({"target": {"lose": 1.0, "also_criteria": ["nosuch"]}}, "target.also_criteria", "unknown criterion"),
        ({"target": {"lose": 1.0, "also_criteria": ["accuracy"]}}, "target.also_criteria", "whole blocks"),
        ({"target": {"lose": 1.0, "also_criteria": ["bn_scale"]}}, "target.also_criteria", "tried anyway"),
        ({"target": {"lose": 1.0, "also_depth_shares": [0.5]}}, "target.also_depth_shares", "tried anyway"),
        (
            {"target": {"lose": 1.0, "also_depth_shares": [n / 1000 for n in range(99)]}},
            "target.also_depth_shares",
            "at most 64",
        ),
        (
            {"target": {"lose": 1.0, "also_depth_shares": [0.1]}, "order": "layers"},
            "target.also_depth_shares",
            "one phase",
        ),
    ],
)
def test_what_does_not_go_with_an_accuracy_is_one_sentence(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        run_spec.parse(changes)
    assert caught.value.field == field
