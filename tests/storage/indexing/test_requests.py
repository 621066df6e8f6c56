"""What the index takes over of a request is what stands in its file, whatever was read before it."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WorkError
from engine.spec import run as specs
from engine.storage.atomic import write_json
from engine.storage.indexing.requests import stored_request

SPEC = specs.parse({"model": "resnet56", "target": {"keep": [0.4, 0.7]}}).model_dump(mode="json")


def asked(document: dict[str, Any]) -> dict[str, Any]:
    return dict(stored_request(json.dumps(document).encode(), "spec.json").settings)


def test_runs_that_differ_in_their_seed_have_their_own_seed_and_all_else_in_common(tmp_path: Path) -> None:
    found = []
    for seed in (0, 3, 12):
        write_json(tmp_path / "spec.json", {**SPEC, "seed": seed})
        found.append(dict(stored_request((tmp_path / "spec.json").read_bytes(), "spec.json").settings))
    assert [each["seed"] for each in found] == [0, 3, 12]
    assert all({**each, "seed": 0} == found[0] for each in found) and found[0]["keep"] == [0.4, 0.7]
    assert found[0]["model"] == "resnet56"


def test_a_seed_elsewhere_in_a_request_is_not_the_runs(tmp_path: Path) -> None:
    without = {key: value for key, value in SPEC.items() if key != "seed"}
    assert asked({**without, "later": {"seed": 7}})["seed"] == 0
    assert asked({**without, "later": {"seed": 7}, "seed": 2})["seed"] == 2
    assert asked({**without, "later": '"seed": 5}', "seed": 2})["seed"] == 2
    text = json.dumps({"later": {"seed": 5}, **without})[:-1] + ', "seed":   4}'
    assert stored_request(text.encode(), "spec.json").settings["seed"] == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"seed": 1', "spec.json is damaged: it is not JSON"),
        (b'[{"seed": 1}]', "spec.json is damaged: it holds no JSON object"),
        (b'{"seed": "1"}', "seed of its request is '1'"),
        (b'{"seed": 1, "model": 5}', "model of its request is 5"),
    ],
)
def test_a_damaged_request_is_a_sentence_each_time(text: bytes, words: str) -> None:
    for _ in range(2):
        with pytest.raises(WorkError) as caught:
            stored_request(text, "spec.json")
        assert words in str(caught.value)
