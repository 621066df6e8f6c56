"""A criterion is one file: dropped into `engine/criteria/`, it is listed, checked, offered, drawn and run."""

from pathlib import Path

import numpy as np
import pytest

from engine.criteria.calibration import Calibration, Scores
from engine.criteria.declare import criterion
from engine.errors import RequestError
from engine.spec import catalog
from engine.zoo.build import build
from tests.support.dropped_in import QUICK, Checkout, checkout

SPREAD = '''
"""How much a filter's weights differ."""

from engine.criteria.calibration import Calibration, Scores, weights_of
from engine.criteria.declare import criterion


@criterion("spread", label="Spread", formula="std W_c", source="nobody", needs="weights")
def spread(calibration: Calibration) -> Scores:
    return {layer: weights.std(1).numpy() for layer, weights in weights_of(calibration)}
'''
SCREENS = """
import json, sys
from app import text, theme
from app.launch import request
from engine.spec import catalog
colours = {name: theme.criterion_colour(name) for name in catalog.CRITERIA}
label = text.criterion_label("spread")
print(json.dumps([catalog.check_criterion("l1+spread"), label, colours, "torch" in sys.modules]))
"""
REFUSED = """
import json
from engine.errors import RequestError
from engine.spec import catalog
try:
    list(catalog.CRITERIA)
except RequestError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def with_spread(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return checkout(tmp_path_factory.mktemp("checkout"), {"engine/criteria/spread.py": SPREAD})


def test_a_criterion_in_a_file_of_its_own_prunes(with_spread: Checkout) -> None:
    done = with_spread.espalier("run", "--data", "digits", "--criterion", "spread", *QUICK)
    assert (done["status"]["state"], done["spec"]["criterion"]) == ("done", "spread")
    first, *_, last = done["points"]
    assert last["final"] and last["macs"] < 0.65 * first["macs"]


def test_its_scores_are_those_of_its_definition(with_spread: Checkout) -> None:
    arguments = ("--model", "resnet20", "--data", "digits", "--limit", "48", "--scope", "channels")
    scores = with_spread.espalier("scores", *arguments, "--criterion", "spread")["scores"]
    weight = build("resnet20", 10, (3, 16, 16)).module.get_parameter("conv1.weight").detach().double()
    (stem,) = [entry["score"] for entry in scores if entry["name"] == "conv1"]
    np.testing.assert_allclose(stem, weight.flatten(1).std(1).numpy())


def test_it_is_listed_and_has_a_label_and_a_colour_of_its_own(with_spread: Checkout) -> None:
    listed = with_spread.espalier("criteria")
    assert {entry["name"] for entry in listed} == {*catalog.CRITERIA, "spread"}
    checked, label, colours, torch = with_spread.evaluate(SCREENS)
    assert (checked, label, torch) == ("l1+spread", "Spread", False)
    assert len(set(colours.values())) == len(listed)


def test_a_name_that_is_taken_is_refused_with_both_places(tmp_path: Path) -> None:
    twice = checkout(tmp_path, {"engine/criteria/mine.py": SPREAD.replace('"spread"', '"l1"')})
    assert twice.evaluate(REFUSED) == (
        "criterion 'l1' is declared in engine.criteria.mine.spread and again in engine.criteria.weights.l1; "
        "a name stands for one thing, so rename one of them"
    )


def test_what_a_criterion_needs_is_one_of_a_few_words() -> None:
    def nothing(calibration: Calibration) -> Scores:
        return {}

    declare = criterion("mine", label="Mine", formula="1", source="nobody", needs="luck")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="criterion 'mine' has needs 'luck'; allowed: nothing, weights, gradients"):
        declare(nothing)
    assert "mine" not in catalog.CRITERIA
