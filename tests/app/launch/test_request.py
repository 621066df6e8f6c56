import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.launch import request as forms
from engine.errors import RequestError
from engine.jobs import preflight
from engine.latency.table import read_for
from engine.pipeline.summaries import summary_of
from engine.prune.forecast import forecast
from engine.spec import run as specs
from tests.support.screen import small_summary


def request(base: dict[str, Any] | None = None, **changes: Any) -> forms.Request:
    fields = {"base": base or {}, "criteria": ("bn_scale",), "ensemble": False, "seeds": (0,)} | changes
    return forms.Request(**fields)


def test_one_run_per_criterion_and_seed() -> None:
    runs = forms.build(request(criteria=("l1", "taylor"), seeds=(0, 1, 2)))
    assert isinstance(runs, list)
    assert [(run.criterion, run.seed) for run in runs] == [(c, s) for c in ("l1", "taylor") for s in (0, 1, 2)]


def test_an_ensemble_is_one_run() -> None:
    runs = forms.build(request(criteria=("l1", "taylor"), ensemble=True))
    assert isinstance(runs, list) and [run.criterion for run in runs] == ["l1+taylor"]


@pytest.mark.parametrize(
    ("base", "section", "word"),
    [
        ({"model": "resnet21"}, "network", "resnet20"),
        ({"data": {"name": "npz:"}}, "data", "path"),
        ({"data": {"limit": 0}}, "data", "The number of images"),
        ({"order": "sideways"}, "remove", "layers-channels"),
        ({"width": {"round_to": 0}}, "remove", "multiple"),
        ({"target": {"keep": [1.5]}}, "target", "at most 1"),
        ({"target": {"keep": []}}, "target", "The ratios to keep"),
        ({"recover": {"epochs": -1}}, "recover", "recovery epochs"),
        ({"train": {"lr": 0}}, "network", "learning rate"),
        ({"depth": {"method": "direct", "floor": 1.5}}, "remove", "accuracy to stop below"),
        ({"width": {"method": "progressive", "attempt_fraction": 1.0}}, "remove", "channels tried"),
        ({"order": "alternate", "attempt": {"measure": "cka", "race": True}}, "remove", "The race"),
        ({"target": {"latency_table": "/t.json"}}, "target", "layer latencies"),
        ({"recover": {"epochs": 0, "distil": True}}, "recover", "Distillation"),
        ({"recover": {"temperature": 0}}, "recover", "temperature"),
        ({"int8": 1}, "target", "true or false"),
    ],
)
def test_a_wrong_field_is_refused_in_its_own_section(base: dict[str, Any], section: str, word: str) -> None:
    refused = forms.build(request(base))
    assert isinstance(refused, forms.Refusal)
    assert refused.section == section and word in refused.sentence
    assert refused.sentence[0].isupper() and refused.sentence.endswith((".", "?"))


@pytest.mark.parametrize(("changes", "section"), [({"criteria": ()}, "remove"), ({"seeds": ()}, "seeds")])
def test_nothing_chosen_is_said_beside_the_choice(changes: dict[str, Any], section: str) -> None:
    refused = forms.build(request(**changes))
    assert isinstance(refused, forms.Refusal) and refused.section == section


def test_direct_removal_alone_asks_for_a_measure() -> None:
    direct = {"order": "layers", "depth": {"method": "direct"}}
    refused = forms.build(request(direct, criteria=()))
    assert isinstance(refused, forms.Refusal) and refused.sentence == "Choose at least one measure."
    runs = forms.build(request(direct, criteria=("accuracy", "loss", "obs")))
    assert isinstance(runs, list)
    assert [run.measure("layers") for run in runs] == ["accuracy", "loss", "reconstruction"]


@pytest.mark.parametrize("criterion", ["accuracy", "cka"])
def test_a_criterion_of_whole_blocks_is_refused_beside_the_criteria_where_channels_go(criterion: str) -> None:
    refused = forms.build(request(criteria=(criterion,)))
    assert isinstance(refused, forms.Refusal) and refused.section == "remove"


def refusal(check: Callable[[], object]) -> forms.Refusal:
    with pytest.raises(RequestError) as caught_error:
        check()
    return forms.Refusal.of(str(caught_error.value), caught_error.value.field)


def test_an_unreadable_npz_is_said_beside_the_data_and_weights_beside_the_network(tmp_path: Path) -> None:
    npz = specs.parse({"data": {"name": f"npz:{tmp_path / 'x.npz'}"}})
    assert refusal(lambda: summary_of(npz.model, "none", npz.data, tmp_path)).section == "data"
    weights = refusal(lambda: summary_of("resnet20", str(tmp_path / "y.pth"), specs.RunSpec().data, tmp_path))
    assert weights.section == "network" and weights.sentence.startswith("There is no weights file")


@pytest.mark.parametrize(
    "data", [{"name": "imagenet"}, {"name": "cifar10", "root": __file__}, {"name": "clutter", "root": "/d"}]
)
def test_a_missing_folder_is_said_beside_the_data(data: dict[str, str]) -> None:
    assert refusal(lambda: preflight.check_request(specs.parse({"data": data}))).section == "data"


def test_a_target_out_of_reach_is_said_beside_the_targets_and_an_unfit_criterion_beside_the_criteria() -> None:
    deep = specs.parse({"target": {"keep": [0.0001]}})
    assert refusal(lambda: forecast(small_summary(), deep)).section == "target"
    unfit = refusal(lambda: forecast(small_summary(normed=False), specs.RunSpec()))
    assert unfit.section == "remove" and unfit.sentence.startswith("BN scale cannot score block")
    assert refusal(lambda: read_for(__file__, small_summary())).section == "target"


def test_what_is_known_to_concern_no_field_is_said_beside_the_network() -> None:
    assert forms.Refusal.of("a spec is one JSON object", None).section == "network"
    assert forms.Refusal.of("x", "no.such.field").section == "network"


def test_typed_ratios_are_read_and_sorted() -> None:
    assert forms.ratios([0.5, "0.75", "0,3×"]) == (0.75, 0.5, 0.3)
    with pytest.raises(RequestError, match="half"):
        forms.ratios(["half"])
    with pytest.raises(RequestError, match=r"1\.5"):
        forms.seeds([0, "1.5"])


def test_the_command_of_a_plain_run_is_flags_only_where_they_differ() -> None:
    spec = specs.parse({"criterion": "l1", "target": {"keep": [0.5]}, "data": {"name": "npz:/a b/c.npz"}})
    words = shlex.split(forms.commands([spec]))
    assert words[:2] == ["espalier", "submit"]
    assert words[words.index("--keep") + 1] == "0.5"
    assert words[words.index("--data") + 1] == "npz:/a b/c.npz"
    assert "--seed" not in words and "--weights" not in words


def test_runs_that_differ_in_their_seed_alone_share_a_command() -> None:
    runs = [specs.parse({"criterion": c, "seed": n}) for c in ("l1", "random") for n in (0, 1, 2)]
    lines = forms.commands(runs).splitlines()
    assert [line[line.index("--criterion") :].split()[1] for line in lines] == ["l1", "random"]
    assert all("--seed 0,1,2" in line for line in lines)
