"""Domain-adversarial training: the gradient that is turned round, the schedule, and what goes along with a network."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.data.load import Data, Target
from engine.errors import WorkError
from engine.train import adversarial
from engine.train.adversarial import Adaptation, Adversary, pseudo_label_loss, reversal_strength, tap
from engine.train.fit import fit
from engine.train.pseudo_labels import NOBODY, Rules
from engine.train.recipe import Recipe
from tests.support import tiny

FEATURES, HEAD = 64, "9"  # of the tiny network
RECIPE = Recipe(epochs=6, lr=0.05, batch_size=32)


def pair(seed: int = 5, images: int = 60) -> Data:
    """The tiny data, and the same negative as the target."""
    train, test = (replace(part, images=255 - part.images) for part in (tiny.split(images, seed), tiny.split(40, 6)))
    target = Target("negative", train.with_labels(torch.zeros(images, dtype=torch.int64)), test, train.labels)
    return replace(tiny.data(), target=target)


def adversary(data: Data, *, rules: Rules | None = None, adversarial: bool = True) -> Adversary:
    assert data.target is not None
    adaptation = Adaptation(FEATURES, len(data.target.train), seed=0)
    return Adversary(adaptation, data.target, data, HEAD, rules, adversarial=adversarial, fresh=True)


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1))
def test_the_strength_is_the_papers_schedule(progress: float) -> None:
    assert math.isclose(reversal_strength(progress), 2 / (1 + math.exp(-10 * progress)) - 1)
    assert 0 <= reversal_strength(progress) < 1


def test_the_discriminator_learns_what_the_network_unlearns() -> None:
    data = pair()
    learner = adversary(data)
    features = torch.randn(10, FEATURES, requires_grad=True)
    free = features.detach().requires_grad_()
    learner.domain_loss(features, 4, strength=0.5).backward()
    weights = [p.grad.clone() for p in learner.adaptation.parameters()]
    learner.adaptation.zero_grad()
    logits = learner.adaptation(free)
    (nn.functional.softplus(logits[:4]).mean() / 2 + nn.functional.softplus(-logits[4:]).mean() / 2).backward()
    assert torch.allclose(features.grad, -0.5 * free.grad)
    assert all(torch.allclose(a, p.grad) for a, p in zip(weights, learner.adaptation.parameters(), strict=True))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.booleans(), min_size=FEATURES, max_size=FEATURES))
def test_features_that_are_gone_read_as_zeros(stays: list[bool]) -> None:
    whole, features = Adaptation(FEATURES, 3, seed=1), torch.randn(5, FEATURES)
    kept = torch.tensor(stays)
    smaller = whole.keep(kept)
    assert torch.allclose(smaller(features[:, kept]), whole(features * kept), atol=1e-5)
    twice = smaller.keep(torch.ones(int(kept.sum()), dtype=torch.bool))
    assert torch.equal(twice.places, smaller.places)
    assert tiny.same(tiny.state(Adaptation.of(smaller.state_dict())), tiny.state(smaller))


def test_a_copy_is_trained_without_the_other() -> None:
    whole = Adaptation(FEATURES, 3, seed=1)
    copied = whole.clone()
    with torch.no_grad():
        copied.reading.weight.zero_()
    copied.labels.fill_(2)
    assert whole.reading.weight.abs().sum() > 0
    assert (whole.labels == NOBODY).all()


def test_images_without_a_name_teach_nothing() -> None:
    logits = torch.randn(4, 3)
    named = torch.tensor([2, NOBODY, NOBODY, 0])
    expected = nn.functional.cross_entropy(logits[[0, 3]], named[[0, 3]])
    assert torch.isclose(pseudo_label_loss(logits, named), expected)
    assert pseudo_label_loss(logits, torch.full((4,), NOBODY)) == 0


def test_training_against_a_discriminator_leaves_it_less_to_go_by(monkeypatch: pytest.MonkeyPatch) -> None:
    data, told = pair(), {}
    for name, strength in (("heeded", reversal_strength), ("ignored", lambda _: 0.0)):
        monkeypatch.setattr(adversarial, "reversal_strength", strength)
        module, learner = tiny.network(seed=3), adversary(data)
        fit(module, data, replace(RECIPE, epochs=20), "cpu", 0, on_epoch=tiny.ignore, adversary=learner)
        told[name] = loss_of_discriminator(module, learner)
    assert told["heeded"] > 2 * told["ignored"]


def loss_of_discriminator(module: nn.Module, learner: Adversary) -> float:
    """On the training images of both domains."""
    with torch.no_grad(), tap(module, HEAD) as features:
        images = torch.cat([learner.data.train.images, learner.target.train.images])
        module((images.float() / 255 - 0.5) / 0.25)
        return float(learner.domain_loss(features(), len(learner.data.train), 0.0))


@pytest.mark.parametrize("stopped_at", [2, 5])
def test_a_resumed_training_equals_an_undisturbed_one_bit_for_bit(
    stopped_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.train.fit.CHECKPOINT_SECONDS", 0.0)
    data, rules = pair(), Rules(confidence=0.3, balance=True, refresh=2)
    calm, stopped, again = (tiny.network(seed=3) for _ in range(3))
    calm_learner, stopped_learner, again_learner = (adversary(data, rules=rules) for _ in range(3))
    fit(calm, data, RECIPE, "cpu", 1, on_epoch=tiny.ignore, adversary=calm_learner)
    file = tmp_path / "checkpoint.safetensors"
    with pytest.raises(tiny.Stopped):
        fit(
            stopped,
            data,
            RECIPE,
            "cpu",
            1,
            on_epoch=tiny.stop_at(stopped_at),
            checkpoint=file,
            adversary=stopped_learner,
        )
    fit(again, data, RECIPE, "cpu", 1, on_epoch=tiny.ignore, checkpoint=file, adversary=again_learner)
    assert tiny.same(tiny.state(calm), tiny.state(again))
    assert tiny.same(tiny.state(calm_learner.adaptation), tiny.state(again_learner.adaptation))
    assert (calm_learner.adaptation.labels != NOBODY).any()


def test_pseudo_labels_alone_leave_the_discriminator_as_it_was() -> None:
    data = pair()
    learner = adversary(data, rules=Rules(0.3, True, 1), adversarial=False)
    before = learner.adaptation.reading.weight.clone()
    fit(tiny.network(), data, RECIPE, "cpu", 0, on_epoch=tiny.ignore, adversary=learner)
    assert torch.equal(learner.adaptation.reading.weight, before)


def test_a_classifier_that_is_no_module_of_its_own_is_refused_in_a_sentence() -> None:
    network = tiny.network()
    with tap(network, HEAD) as features, pytest.raises(WorkError, match="--no-adversarial"):
        features()


def test_what_is_learned_of_maps_is_their_mean() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 2, 1))
    with tap(network, "1") as features:
        network(torch.randn(2, 3, 4, 4))
        assert features().shape == (2, 5)
    assert adversarial.HIDDEN
