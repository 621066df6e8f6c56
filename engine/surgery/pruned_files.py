"""Files that carry the plan of the network whose weights they hold: the network again, from the file alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.surgery import serialization
from engine.surgery.plan import Plan, replay
from engine.zoo.build import check, head_name, initialise, load_checkpoint
from engine.zoo.checkpoints import formats, reading

PLAN = "plan"  # the key of the metadata
_SAVED = "weights.safetensors"  # as `engine.prune(…).save` names them, beside plan.json


def find_plan(path: Path) -> Plan | None:
    """The plan in a safetensors file's metadata, or beside a file of an earlier version; None where there is none.

    RequestError: one that is damaged.
    """
    text = formats.metadata(path).get(PLAN)
    if text is not None:
        return Plan.from_json(document(text, path))
    beside = path.with_name("plan.json") if path.name == _SAVED else path.with_suffix(".plan.json")
    return serialization.read_plan(beside) if path.suffix == ".safetensors" and beside.is_file() else None


def read_plan(path: Path) -> Plan:
    """The same; RequestError where a file has none, too."""
    plan = find_plan(path)
    if plan is None:
        with formats.opened(path):  # says so where there is no file, or where it is none of weights
            raise RequestError(
                f"weights {as_text(path)} carry no plan, so what network they are of is not known; give the "
                "safetensors of a run's point"
            )
    return plan


def document(text: str, path: Path) -> Any:
    """What JSON in a file's metadata says; RequestError where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError(f"the metadata of {as_text(path)} are damaged: what should be JSON is none") from None


def rebuild(
    plan: Plan, weights: Path, classes: int, image: tuple[int, int, int], seed: int = 0
) -> tuple[nn.Module, Plan, tuple[str, ...], tuple[str, ...]]:
    """The network of `plan` for `classes` classes and images of `image`, with its weights, in eval mode on the CPU.

    The plan is replayed on the untouched network. Beside it: the plan for these classes and images, whether the head is
    replaced by a fresh one (from `seed`), and what else was decided, in words. RequestError: a network that may not be
    constructed, or weights that do not fit.
    """
    whole = replace(plan, classes=classes, image=image)
    check(whole.model, classes, image)
    module = replay(whole, initialise(whole.model, classes, seed).eval())
    shown = f"the pruned {plan.model}"
    replaced, notes = load_checkpoint(module, reading.read(weights), shown, str(weights), head_name(whole.model))
    if replaced and classes == plan.classes:
        raise RequestError(f"weights {as_text(weights)} do not fit their plan: they are not of {classes:,} classes")
    return module.requires_grad_(True).eval(), whole, replaced, notes
