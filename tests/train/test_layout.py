"""How a network's values lie in memory while it learns, and that a narrow shortcut learns at all."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from engine.train.layout import layout_of

CPU, CARD = torch.device("cpu"), torch.device("cuda")

# Each batch leaves small tensors beside the layer's memory, which glibc then looks after.
_LEARN = """
import torch
from torch import nn
from engine.train.fit import fit_batches
from engine.train.recipe import Recipe
from tests.support import tiny

torch.manual_seed(0)
torch.set_num_threads(1)
network = nn.Sequential(
    nn.Conv2d(3, 7, 3, padding=1), nn.ReLU(), nn.Conv2d(7, 13, 1, 2),
    nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(52, 4),
)
beside = []
fit_batches(
    network, tiny.data(), Recipe(6, 0.05, 32), "cpu", 0, batches=6,
    on_batch=lambda behind: beside.extend(torch.randn(500) for _ in range(80)),
)
"""


@pytest.mark.parametrize("channels", [2, 7, 15])
def test_a_strided_shortcut_that_reads_few_channels_learns_in_plain_memory_on_a_cpu(channels: int) -> None:
    shortcut = nn.Sequential(nn.Conv2d(channels, 20, 1, stride=2))
    assert layout_of(shortcut, CPU) is torch.contiguous_format
    assert layout_of(shortcut, CARD) is torch.channels_last


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(16, 20, 1, 2), nn.Conv2d(7, 20, 1), nn.Conv2d(7, 20, 3, 2, 1), nn.Linear(7, 2)]
)
def test_all_else_learns_with_its_channels_last(layer: nn.Module) -> None:
    assert layout_of(nn.Sequential(layer), CPU) is torch.channels_last


def test_learning_with_a_narrow_strided_shortcut_leaves_the_memory_of_others_alone() -> None:
    watched = {**os.environ, "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", _LEARN], env=watched, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
