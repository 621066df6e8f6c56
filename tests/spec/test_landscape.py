"""The request for a landscape: its sides, what it takes over from a run, and what it refuses."""

from typing import Any

import pytest

from engine.errors import RequestError
from engine.spec.landscape.flags import LANDSCAPE_FLAGS, command_line
from engine.spec.landscape.request import LandscapeRequest, is_shared, parse
from engine.spec.run import RunSpec
from engine.spec.settings import settings_of


def test_the_shares_go_evenly_from_one_down_to_the_least() -> None:
    assert parse({}).shares() == (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
    assert parse({"grid": 2, "least": 0.4}).shares() == (1.0, 0.4)


def test_a_request_read_from_its_own_json_is_the_same_one() -> None:
    request = parse({"grid": 5, "spec": {"criterion": "l1+fpgm", "order": "channels-layers", "seed": 3}})
    again = parse(request.model_dump(mode="json"))
    assert again == request and again.digest() == request.digest() != parse({}).digest()


@pytest.mark.parametrize(
    ("raw", "field", "sentence"),
    [
        ({"grid": 1}, "grid", "grid must be a whole number of at least 2 and at most 21"),
        ({"grid": True}, "grid", "grid must be a whole number"),
        ({"least": 1.0}, "least", "least must be a number above 0 and below 1"),
        ({"least": float("nan")}, "least", "least must be"),
        ({"validation_images": 3}, "validation_images", "of at least 16"),
        ({"side": 3}, "side", "unknown key 'side'"),
        ({"spec": []}, None, "a spec is one JSON object"),
        ({"spec": {"order": "layers"}}, "order", "its order is layers-channels or channels-layers .got layers"),
        ({"spec": {"order": "alternate"}}, "order", "goes over depth and width"),
        ({"spec": {"target": {"keep": [0.5]}}}, "target.keep", "target.keep is of a run"),
        ({"spec": {"recover": {"epochs": 3}}}, "recover.epochs", "recover.epochs is of a run"),
        ({"spec": {"depth": {"method": "direct"}}}, "depth.method", "depth.method is of a run"),
        ({"spec": {"int8": True}}, "int8", "int8 is of a run"),
        ({"spec": {"seed": -1}}, "seed", "seed must be"),
        ({"spec": {"criterion": "cka"}}, "criterion", "scores whole blocks"),
        (
            {"spec": {"recover": {"reconstruct": False, "ridge": 0.1}}},
            "recover.ridge",
            "recover.ridge is of reconstruction",
        ),
    ],
)
def test_what_a_landscape_has_no_use_for_is_refused_in_a_sentence(raw: Any, field: str | None, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as caught:
        parse(raw)
    assert caught.value.field == field


def test_every_setting_of_a_landscape_has_a_flag_that_a_run_calls_the_same() -> None:
    flags = {flag.name: flag.field.place for flag in LANDSCAPE_FLAGS}
    shared = {field.flag: ("spec", *field.place) for field in settings_of(RunSpec) if is_shared(field) and field.flag}
    own = {"--grid": ("grid",), "--least": ("least",), "--validation-images": ("validation_images",)}
    assert flags == shared | own and len(flags) == len(LANDSCAPE_FLAGS)
    assert {"--criterion", "--order", "--ridge", "--round-to", "--keep-layer"} <= flags.keys()
    assert not {"--keep", "--depth-share", "--recover-epochs", "--int8"} & flags.keys()
    assert {field.place[0] for field in settings_of(LandscapeRequest)} == {place[0] for place in flags.values()}


def test_the_command_of_a_request_says_what_differs_from_the_defaults() -> None:
    usual = "espalier landscape --model resnet20 --data clutter --criterion bn_scale --order layers-channels"
    assert command_line(parse({})) == f"{usual} --submit"
    spec = {"recover": {"reconstruct": False}, "keep_layers": ["conv1"], "train": {"epochs": 3}}
    words = command_line(parse({"grid": 5, "spec": spec})).split()
    for flag in ("--no-reconstruct", "--keep-layer conv1", "--train-epochs 3", "--grid 5"):
        assert f" {flag} " in " ".join([*words, ""]), words
    assert "--recover-lr" not in words
