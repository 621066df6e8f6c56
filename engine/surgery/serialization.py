"""A saved network is its plan plus its weights; no pickle, no code."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.storage.atomic import atomic_write, read_json, write_json
from engine.surgery.model_card import KEY, ModelCard
from engine.surgery.plan import Plan, replay
from engine.zoo.build import check, construct, head_name
from engine.zoo.checkpoints import formats
from engine.zoo.checkpoints.fitting import mismatch
from engine.zoo.checkpoints.reading import read_state_dict

MOST_BYTES = 16 << 20  # of a plan

_HEADER_AT = 8  # bytes: after the header's length
_ALIGNMENT = 8  # bytes, of the numbers in a safetensors file


def write(module: nn.Module, plan: Plan, card: ModelCard, plan_file: Path, weights_file: Path) -> None:
    """Write `module`, which is `plan`'s network, as plan.json and safetensors, each whole."""
    write_weights(module, plan, card, weights_file)
    write_json(plan_file, plan.to_json() | {KEY: card.to_json()})


def write_weights(module: nn.Module, plan: Plan, card: ModelCard, file: Path) -> None:
    """Write the weights of `module`, which is `plan`'s network, as safetensors with the plan and the card as metadata.

    The same network gives the same bytes.
    """
    # Copies: a module that is registered under two names has one memory, which safetensors refuses.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    written = save(state)
    start = _HEADER_AT + int.from_bytes(written[:_HEADER_AT], "little")
    # The library itself writes metadata in an order that changes from one time to the next.
    header = {"__metadata__": card.to_text(plan.to_json()), **json.loads(written[_HEADER_AT:start])}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with atomic_write(file) as part, part.open("wb") as stream:
        stream.write(len(text).to_bytes(_HEADER_AT, "little") + text)
        stream.write(memoryview(written)[start:])


def read_plan(path: Path) -> Plan:
    """The plan in a file; RequestError when there is none."""
    return Plan.from_json(_read_document(path))


def read_card(path: Path) -> ModelCard:
    """What a plan's file says of its network; of one that an earlier version wrote, its image size alone."""
    document = _read_document(path)
    if document.get(KEY) is None:
        return ModelCard(Plan.from_json(document).image)
    return ModelCard.from_json(document[KEY])


def read_card_in(weights: Path, plan: Plan) -> ModelCard:
    """What the metadata of a safetensors file say of `plan`'s network; where they say nothing, its image size alone."""
    metadata = formats.metadata(weights)
    return ModelCard.from_text(metadata) if "format_version" in metadata else ModelCard(plan.image)


def _read_document(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise RequestError(f"there is no plan file {as_text(path)}")
    return read_json(path, MOST_BYTES, links=True)


def read(plan_file: Path, weights_file: Path) -> tuple[nn.Module, Plan]:
    """The network of a plan with its own weights, in eval mode on the CPU.

    RequestError, before anything is built, when the plan names no network that `engine.zoo` constructs for such images
    and classes, or when the weights are of another number of classes.
    """
    plan = read_plan(plan_file)
    check(plan.model, plan.classes, plan.image)
    state = read_state_dict(weights_file)
    head = state.get(f"{head_name(plan.model)}.weight")
    if head is None or head.shape[:1] != (plan.classes,):
        raise _misfit(plan_file, weights_file, f"they are not of {plan.classes:,} classes")
    module = replay(plan, construct(plan.model, plan.classes).eval())
    problem = mismatch(module, state, head=head_name(plan.model))
    if problem or state.keys() != module.state_dict().keys():
        raise _misfit(plan_file, weights_file, problem or "entries are missing")
    module.load_state_dict(state)
    return module, plan


def _misfit(plan_file: Path, weights_file: Path, problem: str) -> RequestError:
    return RequestError(f"weights {as_text(weights_file)} do not fit the plan {as_text(plan_file)}: {problem}")
