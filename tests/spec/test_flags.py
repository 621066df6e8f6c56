"""Flags and specs say the same: a spec's command line asks for that spec again."""

import shlex
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cli import spec_file
from engine.errors import RequestError
from engine.spec import catalog, flags
from engine.spec import run as run_spec

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20)
PATHS = WORDS.map(lambda name: f"/data/x{name}")
POSITIVE = st.floats(1e-12, 1e6, allow_nan=False)
FILTERS = [name for name, criterion in catalog.CRITERIA.items() if criterion.scope == "both"]
METHODS: list[dict[str, Any]] = [
    {"order": "layers-channels", "width": {"scope": "uniform", "round_to": 8}},
    {"order": "layers-channels", "depth": {"method": "direct", "floor": 0.5}, "attempt": {"measure": "cka"}},
    {
        "order": "channels",
        "width": {
            "method": "progressive",
            "attempt_fraction": 0.2,
            "layers_per_step": 0.5,
            "select": "rise",
            "least_share": 0.25,
        },
        "attempt": {"measure": "divergence", "race": True},
        "int8": True,
    },
    {"order": "layers"},
    {"order": "channels-layers"},
    {"order": "alternate"},
]
SHARES = st.floats(0.001, 1, allow_nan=False)
NAMES = st.text(st.sampled_from("ab.*?[0-3]_ "), min_size=1, max_size=8).map(str.strip).filter(bool)
RULES = st.one_of(NAMES, st.builds("{}={}".format, NAMES, SHARES))
NORMALIZE = st.none() | st.sampled_from(["imagenet", "cifar10"]) | st.just([[0.1, 0.2, 0.3], [1, 2, 3.5]])


def _pattern(rule: str) -> str:
    return rule.partition("=")[0].strip()


@st.composite
def specs(draw: st.DrawFn) -> run_spec.RunSpec:
    pick = lambda *choices: draw(st.sampled_from(choices))  # noqa: E731
    return run_spec.parse(
        {
            "model": pick(*catalog.MODELS),
            "weights": draw(st.sampled_from(["none", "hub"]) | PATHS),
            "data": {
                "name": draw(
                    st.sampled_from([*catalog.DATASETS, "mnist5k>digits"]) | PATHS.map(lambda path: f"npz:{path}")
                ),
                "root": draw(st.none() | PATHS),
                "limit": draw(st.none() | st.integers(1, 10**9)),
                "val_fraction": draw(st.floats(1e-6, 0.9)),
                "normalize": draw(NORMALIZE),
            },
            "train": {
                "epochs": draw(st.integers(0, 1000)),
                "lr": draw(POSITIVE),
                "batch_size": draw(st.integers(2, 4096)),
                "weight_decay": draw(st.floats(0, 1, allow_subnormal=False)),
            },
            "keep_layers": draw(st.none() | st.lists(RULES, min_size=1, max_size=4, unique_by=_pattern)),
            "criterion": "+".join(draw(st.lists(st.sampled_from(FILTERS), min_size=1, unique=True))),
            **draw(st.sampled_from(METHODS)),
            "target": {
                "metric": pick("macs", "params"),
                "keep": draw(st.lists(SHARES, min_size=1, max_size=5, unique=True)),
                "depth_share": draw(st.floats(0, 1)),
            },
            "recover": {
                "epochs": draw(st.integers(0, 1000)),
                "lr": draw(POSITIVE),
                "between_phases": draw(st.booleans()),
                "temperature": draw(POSITIVE),
                "distil_weight": draw(SHARES),
            },
            "seed": draw(st.integers(0, 2**31 - 1)),
            "device": pick("auto", "cpu", "cuda"),
        }
    )


def asked_by(line: str) -> list[dict[str, Any]]:
    """What a command line asks for, read by the same flags as the real command."""
    heard: list[flags.Requests] = []
    app = typer.Typer(add_completion=False)

    def hear(requests: flags.Requests) -> None:
        heard.append(requests)

    app.command()(flags.with_spec_flags(spec_file.read)(hear))
    app(shlex.split(line)[2:], standalone_mode=False)
    return heard[0]


@settings(max_examples=60, deadline=None)
@given(spec=specs())
def test_the_command_line_of_a_spec_asks_for_that_spec(spec: run_spec.RunSpec) -> None:
    (heard,) = asked_by(flags.command_line("submit", spec))
    assert run_spec.parse(heard) == spec
    assert flags.command_line("submit", run_spec.parse(heard)) == flags.command_line("submit", spec)


def test_the_command_line_names_several_seeds() -> None:
    line = flags.command_line("submit", run_spec.RunSpec(), seeds=[3, 1, 4])
    assert [one["seed"] for one in asked_by(line)] == [3, 1, 4]


def test_the_command_line_of_the_default_is_short() -> None:
    assert (
        flags.command_line("run", run_spec.RunSpec())
        == "espalier run --model resnet20 --data clutter --criterion bn_scale --order layers-channels"
    )


def test_every_setting_of_the_spec_has_a_flag_but_its_version() -> None:
    def places(model: Any, above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        result: set[tuple[str, ...]] = set()
        for name, field in model.model_fields.items():
            inner = field.annotation
            nested = isinstance(inner, type) and hasattr(inner, "model_fields")
            result |= places(inner, (*above, name)) if nested else {(*above, name)}
        return result

    assert places(run_spec.RunSpec) - {flag.field.place for flag in flags.FLAGS} == {("schema_version",)}


def test_layers_to_keep_are_given_one_by_one_or_joined() -> None:
    both = "espalier run --keep-layer 'conv1, layer1.*=0.5' --keep-layer fc"
    assert asked_by(both) == [{"keep_layers": ["conv1", "layer1.*=0.5", "fc"]}]
    assert "--keep-layer 'conv1,layer1.*=0.5'" in flags.command_line(
        "run", run_spec.parse({"keep_layers": ["conv1", "layer1.*=0.5"]})
    )


def test_flags_do_not_leak_from_one_call_to_the_next() -> None:
    assert asked_by("espalier run --limit 5") == [{"data": {"limit": 5}}]
    assert asked_by("espalier run") == [{}]


@pytest.mark.parametrize(
    ("normalization", "words"),
    [("cifar10", "--normalize cifar10"), ([[0, 0, 0], [1, 1, 1]], "--normalize '[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]'")],
)
def test_a_normalisation_is_given_by_name_or_in_json(normalization: Any, words: str) -> None:
    spec = run_spec.parse({"data": {"normalize": normalization}})
    assert words in flags.command_line("submit", spec)
    assert [run_spec.parse(one) for one in asked_by(flags.command_line("submit", spec))] == [spec]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("--normalize [1,", "data.normalize"),
        ("--keep half", "target.keep"),
        ("--seed 1,x", "seed"),
        ("--seed 1,1", "seed"),
    ],
)
def test_a_flag_that_cannot_be_read_says_which_setting_it_is_of(words: str, field: str) -> None:
    with pytest.raises(RequestError, match=r"^--") as caught:
        asked_by(f"espalier run {words}")
    assert caught.value.field == field
