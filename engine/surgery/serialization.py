"""A saved network is its plan plus its weights; no pickle, no code."""

from pathlib import Path

from safetensors.torch import save
from torch import nn

from engine.errors import RequestError
from engine.storage.atomic import atomic_write, read_json, write_json
from engine.surgery.plan import Plan, replay
from engine.zoo.build import construct
from engine.zoo.weights import mismatch, read_state_dict


def write(module: nn.Module, plan: Plan, plan_file: Path, weights_file: Path) -> None:
    """Write `module`, which is `plan`'s network, as plan.json and safetensors, each whole."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with atomic_write(weights_file) as part:
        part.write_bytes(save(state))
    write_json(plan_file, plan.to_json())


def read_plan(path: Path) -> Plan:
    """The plan in a file; RequestError when there is none."""
    if not path.is_file():
        raise RequestError(f"there is no plan file {path}")
    return Plan.from_json(read_json(path))


def read(plan_file: Path, weights_file: Path) -> tuple[nn.Module, Plan]:
    """The network of a plan with its own weights, in eval mode on the CPU."""
    plan = read_plan(plan_file)
    module = replay(plan, construct(plan.model, plan.classes).eval())
    state = read_state_dict(weights_file)
    problem = mismatch(module, state)
    if problem or state.keys() != module.state_dict().keys():
        raise RequestError(
            f"weights {weights_file} do not fit the plan {plan_file}: {problem or 'entries are missing'}"
        )
    module.load_state_dict(state)
    return module, plan
