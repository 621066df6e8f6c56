"""Networks that were pruned and saved, read back from their own file."""

from pathlib import Path

from torch import nn

from engine.errors import RequestError
from engine.interface.foreign import ModuleState, working_copy
from engine.spec.messages import as_text
from engine.surgery import plan as plans
from engine.surgery import pruned_files
from engine.surgery.plan import Plan
from engine.zoo.build import load_checkpoint
from engine.zoo.checkpoints import reading


def load(path: str | Path, model: nn.Module | None = None) -> nn.Module:
    """The pruned network in a safetensors file that carries its plan, with its weights, in evaluation mode.

    A run's `models/pN.safetensors` names its network itself and comes back on the CPU. For the weights.safetensors of
    `PrunedModel.save` give `model`, the network that `engine.prune` was called with: it stays as it is, and the copy
    that comes back is on its device. `engine.plan_of(path)` says for which images and how many classes it is.
    RequestError: no plan in the file, or weights that do not fit it.

    >>> import engine, tempfile
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     saved = engine.prune(model, image=(3, 8, 8), keep=0.5).save(scratch + "/half")
    ...     engine.load(saved / "weights.safetensors", model)[0]
    Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1))
    """
    file = Path(path).expanduser()
    plan = plan_of(file)
    if model is None:
        return pruned_files.rebuild(plan, file, plan.classes, plan.image)[0]
    smaller = plans.replay(plan, working_copy(model, plan.image))
    replaced, _ = load_checkpoint(smaller, reading.read(file), f"the pruned {plan.model}", str(file))
    if replaced:
        raise RequestError(f"weights {as_text(file)} do not fit the model: they are not of as many classes")
    return ModuleState.of(model).restore(smaller).eval()


def plan_of(path: str | Path) -> Plan:
    """The plan that a safetensors file carries: its `model`, `image`, `classes`, and the cuts in `steps`.

    RequestError where it has none.

    >>> import engine, tempfile
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     saved = engine.prune(model, image=(3, 8, 8), keep=0.5).save(scratch + "/half")
    ...     engine.plan_of(saved / "weights.safetensors").image
    (3, 8, 8)
    """
    return pruned_files.read_plan(Path(path).expanduser())
