"""Tensors stay on one device, shown on one that only pretends: see `tests/support/pretended_card.py`."""

import os
import subprocess
import sys

from engine.spec.catalog import CRITERIA
from tests.support.places import ROOT


def test_scores_reconstruction_and_training_never_mix_devices() -> None:
    command = [sys.executable, "-m", "tests.support.pretended_card"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout.splitlines()
    assert all(any(line.startswith(f"scores: {name},") for line in shown) for name in CRITERIA)
    assert {"reconstruction: logits agrees", "training: loss agrees"} <= set(shown)
