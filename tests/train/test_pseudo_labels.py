"""Which images are named, and that nobody looks at their labels for it."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.train.pseudo_labels import NOBODY, Rules, balance, name_confidently
from tests.support import tiny

NAMES = st.lists(st.integers(NOBODY, 3), min_size=1, max_size=40).map(torch.tensor)


@settings(deadline=None, max_examples=25)
@given(labels=NAMES, seed=st.integers(0, 100))
def test_no_class_has_more_names_than_the_mean_and_the_surest_stay(labels: Tensor, seed: int) -> None:
    confidence = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed))
    kept = balance(labels, confidence, classes=4)
    most = math.ceil(int((labels != NOBODY).sum()) / 4)
    for name in range(4):
        stays, had = kept == name, labels == name
        assert int(stays.sum()) == min(most, int(had.sum()))
        gone = had & ~stays
        if gone.any() and stays.any():
            assert confidence[stays].min() >= confidence[gone].max()
    assert ((kept == labels) | (kept == NOBODY)).all()


class Reads(nn.Module):
    """Says how bright each quarter is."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1) * 0.9


def test_images_are_named_by_the_network_and_never_by_their_labels() -> None:
    data, rules = tiny.data(), Rules(confidence=0.62, balance=False, refresh=1)
    hidden = data.train.with_labels(torch.zeros(len(data.train), dtype=torch.int64))
    named = name_confidently(Reads(), hidden, data, "cpu", rules)
    sure = named != NOBODY
    assert 10 < int(sure.sum()) < len(named)
    assert torch.equal(named[sure], data.train.labels[sure])
    assert (name_confidently(Reads(), hidden, data, "cpu", Rules(0.999999, False, 1)) == NOBODY).all()
