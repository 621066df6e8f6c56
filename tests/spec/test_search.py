"""The file of a search: what it may say, how it is refused, and which spec a combination makes."""

from typing import Any

import pytest
import yaml

from engine.errors import RequestError
from engine.spec.run import parse
from engine.spec.search import document, space
from engine.spec.search.document import Document
from engine.spec.search.space import Choice, Range
from tests.support.places import ROOT

KEEP = {"target": {"keep": {"min": 0.2, "max": 0.8, "log": True}}}
SMALL: dict[str, Any] = {"name": "small", "space": {"criterion": ["obs", "obs+taylor"], **KEEP}}


def read(**changes: Any) -> Document:
    return document.read(SMALL | changes, "search.yaml")


def test_what_is_not_said_is_as_usual() -> None:
    found = read()
    assert (found.costs, found.trials, found.recover, found.seed, found.threads) == (("macs",), 60, 10, 0, 1)
    assert found.space == (Choice("criterion", ("obs", "obs+taylor")), Range("target.keep", 0.2, 0.8, log=True))
    assert read(trials=4).recover == 4
    assert found.digest() == read(trials=9, recover=2, seed=3).digest() != read(threads=2).digest()


def test_constraints_are_numbers_or_have_units() -> None:
    spec = {"target": {"metric": "latency", "latency_table": "/t.json"}}
    found = read(spec=spec, constraints={"latency": "5 ms", "macs": "20 M", "params": 9000})
    assert found.constraints == {"macs": 20e6, "params": 9000.0, "latency": 5.0}
    assert read(spec=spec, constraints={"latency": "0.4s"}).constraints == {"latency": 400.0}
    assert document.limits(found.constraints) == [
        "macs at most 20.0 M",
        "params at most 9.00 k",
        "latency at most 5 ms",
    ]


def test_the_shipped_example_is_read_and_every_setting_of_it_starts_as_a_run_does() -> None:
    raw = yaml.safe_load((ROOT / "examples" / "search.yaml").read_text())
    found = document.read(raw, "search.yaml")
    assert (found.trials, found.recover, found.costs) == (60, 10, ("macs",))
    assert {each.name for each in found.recovery_space()} == {"recover.epochs", "recover.lr", "recover.distil"}
    starts = {each.name: each.value(each.start()) for each in found.space}
    assert (starts["target.depth_share"], starts["recover.ridge"], starts["recover.lr"]) == (0.5, 0.001, 0.003)
    assert starts["recover.reconstruct"] is True and starts["criterion"] == "obs"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"spce": 1}, "unknown key 'spce'; did you mean space?"),
        ({"space": {}}, "space of search.yaml must be an object with settings of a spec"),
        ({"space": KEEP | {"criterion": []}}, "space.criterion of search.yaml is a list with nothing in it"),
        ({"space": KEEP | {"criterion": ["l1", "l1"]}}, "names a value twice"),
        ({"space": KEEP | {"criterion": "l1"}}, "must be a list of choices, or an object with min and max"),
        ({"space": KEEP | {"criterion": ["l7"]}}, "unknown criterion 'l7'"),
        ({"space": KEEP | {"train": {"epochs": [1]}}}, "nothing that a search varies; it varies criterion, order"),
        ({"space": {"target": {"keep": {"min": 0.8, "max": 0.2}}}}, "has min 0.8, which is not below max 0.2"),
        ({"space": {"target": {"keep": {"min": 0.2}}}}, "lacks min or max; a range is min, max and"),
        ({"space": {"target": {"keep": {"min": 0.2, "max": 0.9, "step": 1}}}}, "has an unknown key 'step'"),
        ({"space": {"target": {"keep": {"min": 0, "max": 0.9, "log": True}}}}, "min must be above 0"),
        ({"space": {"target": {"keep": {"min": 0.2, "max": 1.9}}}}, "target.keep"),
        ({"space": {"criterion": ["l1", "obs"]}}, "target.keep is not in space"),
        ({"space": {"target": {"keep": [0.5]}}}, "leaves nothing to choose"),
        ({"spec": {"criterion": "l1"}}, "criterion stands in spec and in space"),
        ({"spec": {"modle": "x"}}, "unknown key 'modle'; did you mean model?"),
        ({"objectives": ["macs", "params"]}, "must be a list of accuracy and one cost or more"),
        ({"objectives": ["accuracy", "energy"]}, "names 'energy'; allowed there: accuracy, macs, params, latency"),
        ({"objectives": ["accuracy", "latency"]}, "give target.metric latency and target.latency_table"),
        ({"constraints": {"latency": "5 ms"}}, "give target.metric latency and target.latency_table"),
        ({"constraints": {"macs": "5 ms"}}, "constraints.macs of search.yaml must be a number above 0, such as 20 M"),
        ({"constraints": {"accuracy": 0.9}}, "what may be limited is macs, params, latency"),
        ({"trials": 0}, "trials of search.yaml must be a whole number of 1 to 100,000"),
        ({"trials": 5, "recover": 6}, "recover of search.yaml is 6, and there are 5 trials"),
        ({"name": 3}, "name of search.yaml must be text"),
        ({"space": KEEP | {"keep_layers": {"layer1.*": {"min": 0.5, "max": 2.0}}}}, "keep_layers takes NAME"),
        ({"space": KEEP | {"order": ["alternate", "sideways"]}}, "order must be"),
    ],
)
def test_what_is_wrong_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(**changes)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_combination_makes_a_spec_without_what_would_do_nothing_in_it() -> None:
    fixed = {"recover": {"epochs": 3}}
    values = {
        "target.keep": 0.4,
        "target.depth_share": 0.3,
        "width.rank": "score",
        "recover.reconstruct": False,
        "recover.ridge": 0.1,
        "recover.distil": False,
        "recover.temperature": 2.0,
    }
    layers = space.request(fixed, {**values, "order": "layers"})
    assert layers == {
        "order": "layers",
        "target": {"keep": [0.4]},
        "recover": {"epochs": 3, "reconstruct": False, "distil": False},
    }
    both = space.parse(fixed, {**values, "order": "layers-channels", "recover.distil": True})
    assert (both.target.depth_share, both.width.rank, both.recover.temperature) == (0.3, "score", 2.0)
    with pytest.raises(RequestError, match=r"\(with criterion 'nothing'\)"):
        space.parse({}, {"criterion": "nothing"})


def test_rates_of_stages_are_rules_of_which_a_share_of_0_is_none() -> None:
    found = space.read(KEEP | {"keep_layers": {"layer1.*": {"min": 0.0, "max": 1.0}, "layer2.*": [0, 0.5]}}, "f")
    assert [each.name for each in found] == ["target.keep", "keep_layers.layer1.*", "keep_layers.layer2.*"]
    made = space.request({}, {"target.keep": 0.5, "keep_layers.layer1.*": 0.25, "keep_layers.layer2.*": 0})
    assert made["keep_layers"] == ["layer1.*=0.25"] and parse(made).keep_layers == ("layer1.*=0.25",)
    lists = space.read(KEEP | {"keep_layers": [["conv1"], None]}, "f")[1]
    assert isinstance(lists, Choice) and lists.labels == ('["conv1"]', None)
    assert [lists.value(label) for label in lists.labels] == [["conv1"], None]


def test_whole_ranges_give_whole_numbers_and_choices_keep_true_from_1() -> None:
    images = Range("recover.calibration_images", 64, 512, log=True)
    assert images.whole and images.at(0.5) == 181 and isinstance(images.value(images.at(0.3)), int)
    assert not Range("recover.lr", 1, 2).whole and Range("recover.ridge", 0.001, 0.1).value(0.0123456) == 0.01235
    both = Choice("recover.reconstruct", (True, False))
    assert both.value(True) is True
    with pytest.raises(ValueError, match="no option 1"):
        both.value(1)
