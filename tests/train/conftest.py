import pytest
import torch

from engine.train import fit

# Two threads on tiny tensors wait for each other more than they work, most of all where other tests run beside.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", 0.0)
