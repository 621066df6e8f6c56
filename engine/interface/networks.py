"""Single steps for a module that somebody else wrote: its summary, a plan replayed on it, and its ONNX file."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from engine.errors import RequestError
from engine.export import onnx
from engine.graph.summarize import summarize
from engine.graph.summary import ModelSummary
from engine.interface import settings
from engine.interface.foreign import ModuleState, output_of, working_copy
from engine.storage.atomic import behind_links, prepare_folder
from engine.surgery import plan as plans
from engine.surgery import serialization
from engine.surgery.model_card import Triple
from engine.surgery.plan import Plan


def sheet(model: nn.Module, image: tuple[int, int, int] = (3, 224, 224)) -> ModelSummary:
    """The model summary for images of `image` = (channels, height, width) in px: counts, layers, channels and blocks.

    `params` and `macs` (multiply–accumulates of one image), `layers`, `channel_groups` (interchangeable channels) and
    `blocks` with whether each may go, and why. RequestError for an operation that no rule knows, by its name.

    >>> import engine
    >>> from torch import nn
    >>> summary = engine.sheet(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 6 * 6, 2)), (3, 8, 8))
    >>> summary.params, summary.macs
    (802, 8352)
    """
    size = settings.parse({"image": image}).image
    return summarize(working_copy(model, size), size, type(model).__name__).summary


def apply(plan: Plan | str | Path, model: nn.Module) -> nn.Module:
    """A cut copy of `model`, the baseline that `plan` (or the plan.json of that path) was made for.

    Device, mode and frozen parameters are those of `model`, which stays as it is. RequestError when the plan does not
    fit it.

    >>> import engine
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
    >>> plan = engine.prune(model, image=(3, 8, 8), keep=0.5).plan
    >>> engine.apply(plan, model)[0]
    Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1))
    """
    steps = plan if isinstance(plan, Plan) else serialization.read_plan(Path(plan).expanduser())
    clone = working_copy(model, steps.image)
    return ModuleState.of(model).restore(plans.replay(steps, clone))


def export(
    model: nn.Module,
    path: str | Path,
    image: tuple[int, int, int] = (3, 224, 224),
    class_names: Sequence[str] | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
) -> Path:
    """Write `model` as an ONNX file of opset 13 and return its path; the file appears whole, once it was checked.

    `input` is N×C×H×W float32 for `image` = (channels, height, width) in px, `logits` what the model puts out, in
    evaluation mode, N free. The file's metadata hold `image` and, where they are given, the names of the classes in the
    order of the logits, and the means and deviations of RGB values in 0..1 that the model was trained with.
    RequestError when `path` is a folder; WorkError when the network cannot be written.

    >>> import engine, tempfile
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     engine.export(model, scratch + "/small.onnx", image=(3, 8, 8)).name
    'small.onnx'
    """
    size = settings.parse({"image": image}).image
    file = Path(path).expanduser()
    if file.is_dir():
        raise RequestError(f"{file} is a folder; give export the name of a file")
    clone = working_copy(model, size)
    classes = output_of(clone, size).shape[-1]
    card = settings.parse_card(size, classes, class_names=class_names, mean=mean, std=std)
    target = behind_links(file)
    prepare_folder(target.parent)
    onnx.export(clone, size, target, metadata=card.to_text())
    return file
