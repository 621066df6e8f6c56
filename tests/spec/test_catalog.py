"""Names that can be picked, and what is said about those that cannot."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.declare import IDENTITY_SCORERS, SCORERS
from engine.criteria.registry import EXACT
from engine.data.declare import SOURCES
from engine.errors import RequestError
from engine.spec import catalog
from engine.zoo.declare import MAKERS
from tests.support.places import ROOT


def test_the_rooms_implement_what_the_catalogue_names() -> None:
    assert set(SCORERS) | set(IDENTITY_SCORERS) | set(EXACT) == set(catalog.CRITERIA)
    assert set(SOURCES) == set(catalog.DATASETS) | set(catalog.DATASET_PREFIXES)
    assert list(MAKERS) == list(catalog.MODELS)


def test_lists_keep_their_order_whichever_file_was_imported_first() -> None:
    assert list(catalog.CRITERIA) == [
        *("random", "l1", "l2", "bn_scale", "fpgm", "lamp", "taylor", "obd"),
        *("feature_taylor", "gate_taylor", "activation", "feature_rank", "obs"),
        *("accuracy", "loss", "divergence", "cka"),
    ]
    assert list(catalog.DATASETS) == [
        "clutter",
        "digits",
        "mnist5k",
        "cifar10",
        "cifar100",
        "mnist",
        "usps",
        "svhn",
        "imagenet",
    ]
    assert list(catalog.DATASET_PREFIXES) == ["folder:", "npz:"]
    assert catalog.CIFAR_MODELS[:6] == ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet20-a")
    assert list(catalog.MODELS) == [*catalog.CIFAR_MODELS, *(f"torchvision/{n}" for n in catalog.TORCHVISION_MODELS)]
    assert set(catalog.TORCHVISION_FAMILIES) < set(catalog.TORCHVISION_MODELS)


def test_lists_come_from_light_files_that_are_imported_when_names_are_asked_for() -> None:
    """In a fresh interpreter: neither a screen nor a refusal waits for what scores, trains and reads images."""
    code = """
import sys
import engine.spec.run
from engine.spec import catalog
assert not [name for name in sys.modules if name.startswith(("engine.criteria", "engine.data", "engine.zoo"))]
names = [*catalog.CRITERIA, *catalog.DATASETS, *catalog.DATASET_PREFIXES, *catalog.MODELS]
heavy = {"torch", "torchvision", "numpy", "scipy", "sklearn", "PIL"} & set(sys.modules)
sys.exit(f"{sorted(heavy)} were imported" if heavy else len(names) < 100)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_torchvision_has_every_model_that_the_catalogue_takes_from_it() -> None:
    from torchvision import models

    assert set(catalog.TORCHVISION_MODELS) <= set(models.list_models(module=models))


def test_names_are_there_once() -> None:
    assert len(set(catalog.MODELS)) == len(catalog.MODELS)


@pytest.mark.parametrize("name", [*catalog.CIFAR_MODELS, "torchvision/resnet50"])
def test_a_known_model_is_itself(name: str) -> None:
    assert catalog.check_model(name) == name


@pytest.mark.parametrize(
    ("check", "name", "near"),
    [
        (catalog.check_model, "resnet21", "resnet20"),
        (catalog.check_model, "resnet50", "resnet56"),
        (catalog.check_model, "torchvision/resnet51", "torchvision/resnet50"),
        (catalog.check_model, "convnext", "torchvision/convnext_"),
        (catalog.check_model, "resnet18", "did you mean torchvision/resnet18"),
        (catalog.check_model, "tf_efficientnet_b0", "did you mean timm/tf_efficientnet_b0?"),
        (catalog.check_model, "timm/dla46y_c", "timm/dla46_c"),
        (catalog.check_criterion, "bn-scale", "bn_scale"),
        (catalog.check_criterion, "l1+tailor", "taylor"),
        (catalog.check_dataset, "cifar-10", "cifar10"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(check, name: str, near: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestError, match="did you mean") as caught:
        check(name)
    assert near in str(caught.value)


@given(name=st.text(max_size=200))
def test_any_other_name_is_refused_in_one_sentence_of_moderate_length(name: str) -> None:
    checks = ((catalog.check_model, catalog.MODELS), (catalog.check_criterion, catalog.CRITERIA))
    for check, expected in checks:
        if name not in expected:
            with pytest.raises(RequestError) as caught:
                check(name)
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_dataset_by_path_needs_its_path() -> None:
    assert catalog.check_dataset("npz:/x.npz") == "npz:/x.npz"
    for prefix in catalog.DATASET_PREFIXES:
        with pytest.raises(RequestError, match="has no path"):
            catalog.check_dataset(prefix)


@pytest.mark.parametrize(
    ("name", "halves"),
    [
        ("mnist5k>digits", ("mnist5k", "digits")),
        ("npz:/a.npz>npz:/b.npz", ("npz:/a.npz", "npz:/b.npz")),
        ("folder:/a>b>digits", ("folder:/a>b", "digits")),
        ("digits>folder:/a>b", ("digits", "folder:/a>b")),
        ("npz:/a>b>folder:/c>d", ("npz:/a>b", "folder:/c>d")),
    ],
)
def test_a_pair_is_two_datasets(name: str, halves: tuple[str, str]) -> None:
    assert catalog.check_dataset(name) == name
    assert catalog.halves(name) == halves
    assert catalog.paths_of(name) == tuple(half.partition(":")[2] for half in halves if ":" in half)
    pair = catalog.pair_of(name)
    assert pair is not None and pair.name == name


@pytest.mark.parametrize("name", ["digits", "npz:/a>b.npz", "folder:/data/x>", "npz:/digits>/digits"])
def test_a_path_may_have_the_sign_of_a_pair(name: str) -> None:
    assert catalog.check_dataset(name) == name
    assert catalog.pair_of(name) is None
    assert catalog.halves(name) == (name,)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mnist5k>digit", "did you mean digits"),
        ("mnist>>digits", "names more than two datasets"),
        ("mnist5k>digits>clutter", "names more than two datasets"),
        ("npz:/a>digits>npz:/b", "names more than two datasets"),
        ("mnist5k>", "has no target; write SOURCE>TARGET"),
        (">digits", "has no source; write SOURCE>TARGET"),
        (">", "has no source; write SOURCE>TARGET"),
        ("mnist5k > digits", "has a space beside its >; write SOURCE>TARGET"),
        ("npz:/a.npz > npz:/b.npz", "has a space beside its >"),
        ("digits>digits", "'digits' is both source and target"),
        ("npz:/a>npz:/a", "'npz:/a' is both source and target"),
        ("npz:>digits", "dataset 'npz:' has no path"),
        ("digits>folder:", "dataset 'folder:' has no path"),
    ],
)
def test_a_pair_of_other_than_two_different_datasets_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=re.escape(sentence)) as caught:
        catalog.check_dataset(name)
    assert "\n" not in str(caught.value)


@given(st.lists(st.sampled_from(["digits", "npz:", "/a", ">", " ", "x"]), max_size=8).map("".join))
def test_halves_are_the_name_again_or_it_is_refused(name: str) -> None:
    try:
        catalog.check_dataset(name)
    except RequestError as error:
        assert "\n" not in str(error)
    else:
        assert ">".join(catalog.halves(name)) == name
        assert all(catalog.check_dataset(half) == half for half in catalog.halves(name))


def test_an_ensemble_joins_different_criteria() -> None:
    assert catalog.check_criterion("l1+taylor") == "l1+taylor"
    with pytest.raises(RequestError, match="names one twice"):
        catalog.check_criterion("l1+taylor+l1")
