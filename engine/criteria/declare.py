"""How a criterion declares itself: `criterion` above the function that scores. No torch.

@criterion("l1", label="L1 norm", formula="Σ|W_c|", source="Li et al. 2017", needs="weights")
def l1(calibration: Calibration) -> Scores: ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from engine.criteria.calibration import Scorer
from engine.spec.catalog import CRITERIA, NEEDS, Criterion, Needs
from engine.spec.registry import Registry
from engine.spec.run import Measure

SCORERS: Registry[Scorer] = Registry("criterion", "engine.criteria")


def criterion(
    name: str,
    *,
    label: str,
    formula: str,
    source: str,
    needs: Literal["nothing", "weights", "gradients", "activations"],
    scope: Literal["both", "blocks"] = "both",
    batch_norm: bool = False,
) -> Callable[[Scorer], Scorer]:
    """Declare the decorated `(Calibration) -> {layer: one number per output channel}` as a criterion; low goes first.

    `name` (a-z, 0-9 and _) is what specs and files hold; `label`, `formula` and `source` are shown. `batch_norm`: only
    layers that a batch norm follows get scores. RequestError when the name is taken.
    """

    def register(scorer: Scorer) -> Scorer:
        entry = Criterion(name, label, needs, formula, source, scope, batch_norm)
        CRITERIA.add(name, entry, scorer, NEEDS.index(needs))
        SCORERS.add(name, scorer, scorer, NEEDS.index(needs))
        return scorer

    return register


def exact_criterion(name: Measure, *, label: str, formula: str, source: str, module: str) -> None:
    """Declare a measure of attempts as a criterion for blocks: what it is without the block."""
    needs: Needs = "attempts"
    CRITERIA.add(name, Criterion(name, label, needs, formula, source, "blocks"), module, NEEDS.index(needs))
