import subprocess
import sys

import pytest
import torch

from engine.measure.uncompiled import uncompiled
from tests.support.places import ROOT

TRAINING = """
import sys
from engine.measure.counters import count
from engine.train.fit import fit
from engine.train.recipe import Recipe
from tests.support import tiny

network = tiny.network()
fit(network, tiny.data(), Recipe(epochs=1, lr=0.05), "cpu", 0, on_epoch=tiny.ignore)
count(network, (3, 16, 16))
print("torch._dynamo" in sys.modules)
"""


class Owner:
    @torch._disable_dynamo
    def kept(self) -> str:
        return "called"

    def other(self) -> str:
        return "called"


def test_training_and_counting_do_without_torchs_compiler():
    done = subprocess.run([sys.executable, "-c", TRAINING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_function_is_as_torch_left_it_afterwards(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    before = dict(vars(Owner.kept.__wrapped__))
    with pytest.raises(ValueError, match="inside"), uncompiled(Owner), uncompiled(Owner):
        assert Owner().kept() == Owner().other() == "called"
        assert "torch._dynamo" not in sys.modules
        raise ValueError("inside")
    assert vars(Owner.kept.__wrapped__) == before


def test_nothing_changes_where_the_compiler_is_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", sys)
    with uncompiled(Owner):
        assert not hasattr(Owner.kept.__wrapped__, "__dynamo_disable")
