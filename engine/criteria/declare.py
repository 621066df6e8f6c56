"""How a criterion declares itself: `criterion` or `channel_criterion` above the function that scores. No torch.

@criterion("l1", label="L1 norm", formula="Σ|W_c|", source="Li et al. 2017", needs="weights")
def l1(calibration: Calibration) -> Scores: ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from engine.criteria.calibration import BlockScorer, IdentityScorer, Scorer
from engine.spec.catalog import CRITERIA, NEEDS, Criterion, Needs
from engine.spec.parts import ExactMeasure
from engine.spec.registry import Registry

SCORERS: Registry[Scorer] = Registry("criterion", "engine.criteria")
BLOCK_SCORERS: Registry[BlockScorer] = Registry("criterion", "engine.criteria")
IDENTITY_SCORERS: Registry[IdentityScorer] = Registry("criterion", "engine.criteria")


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


def channel_criterion(
    name: str,
    *,
    label: str,
    formula: str,
    source: str,
    needs: Literal["nothing", "weights", "gradients", "activations"],
) -> Callable[[IdentityScorer], IdentityScorer]:
    """Declare the decorated `(Calibration) -> {channel identity: number}` as a criterion; low goes first.

    For scores that belong to a channel rather than to the filters that produce it, and that compare across layers as
    they are: where `criterion` has each layer's scores divided by their mean, and means taken over the producers, these
    stay as they are. Identities without a score stay in the network. Otherwise as `criterion`.
    """

    def register(scorer: IdentityScorer) -> IdentityScorer:
        CRITERIA.add(name, Criterion(name, label, needs, formula, source, comparable=True), scorer, NEEDS.index(needs))
        IDENTITY_SCORERS.add(name, scorer, scorer, NEEDS.index(needs))
        return scorer

    return register


def block_criterion(name: str) -> Callable[[BlockScorer], BlockScorer]:
    """Declare the decorated `(Calibration, blocks) -> {block: number}` as how the criterion `name` scores blocks.

    For criteria whose score of a block is not the mean over its filters.
    """

    def register(scorer: BlockScorer) -> BlockScorer:
        BLOCK_SCORERS.add(name, scorer, scorer)
        return scorer

    return register


def exact_criterion(name: ExactMeasure, *, label: str, formula: str, source: str, module: str) -> None:
    """Declare a measure of attempts as a criterion for blocks: what it is without the block."""
    needs: Needs = "attempts"
    CRITERIA.add(name, Criterion(name, label, needs, formula, source, "blocks"), module, NEEDS.index(needs))
