"""A saved network is its plan plus its weights; no pickle, no code."""

from pathlib import Path

from safetensors.torch import save
from torch import nn

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.storage.atomic import atomic_write, read_json, write_json
from engine.surgery.plan import Plan, replay
from engine.zoo.build import check, construct, head_name
from engine.zoo.weights import mismatch, read_state_dict

MOST_BYTES = 16 << 20  # of a plan


def write(module: nn.Module, plan: Plan, plan_file: Path, weights_file: Path) -> None:
    """Write `module`, which is `plan`'s network, as plan.json and safetensors, each whole."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with atomic_write(weights_file) as part:
        part.write_bytes(save(state))
    write_json(plan_file, plan.to_json())


def read_plan(path: Path) -> Plan:
    """The plan in a file; RequestError when there is none."""
    if not path.exists():
        raise RequestError(f"there is no plan file {as_text(path)}")
    return Plan.from_json(read_json(path, MOST_BYTES, links=True))


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
    problem = mismatch(module, state)
    if problem or state.keys() != module.state_dict().keys():
        raise _misfit(plan_file, weights_file, problem or "entries are missing")
    module.load_state_dict(state)
    return module, plan


def _misfit(plan_file: Path, weights_file: Path, problem: str) -> RequestError:
    return RequestError(f"weights {as_text(weights_file)} do not fit the plan {as_text(plan_file)}: {problem}")
