"""One-shot pruning of a module that somebody else wrote."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engine.criteria.calibration import CALIBRATION_IMAGES, Calibration
from engine.criteria.registry import score_blocks, score_channels
from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.graph.summary import ModelSummary
from engine.interface import settings
from engine.interface.foreign import ModuleState, output_of, working_copy
from engine.interface.images import ImageTensor, read_images
from engine.interface.pruned import PrunedModel
from engine.interface.settings import PruneSettings
from engine.prune import depth, solver
from engine.prune.one_shot import OneShot
from engine.prune.protection import check_rules, protection
from engine.spec.parts import CountMetric
from engine.surgery import checked
from engine.surgery.plan import Plan, Step
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import are_enough, refit

_CHECK_IMAGES = 4  # images on which a cut is compared with the masked network

Batches = Iterable[Tensor] | Iterable[tuple[Tensor, Tensor]]


def prune(
    model: nn.Module,
    image: tuple[int, int, int] = (3, 224, 224),
    keep: float = 0.5,
    metric: CountMetric = "macs",
    criterion: str = "l1",
    order: Literal["channels", "layers", "layers-channels", "channels-layers"] = "channels",
    calibration: Tensor | tuple[Tensor, Tensor] | Batches | None = None,
    depth_share: float = 0.5,
    scope: Literal["global", "uniform"] = "global",
    round_to: int = 1,
    seed: int = 0,
    keep_layers: Sequence[str] | None = None,
    rank: Literal["score", "per-saving"] | None = None,
    reconstruct: bool | None = None,
) -> PrunedModel:
    """A smaller copy of `model`, cut in one go and checked against the masked network; `model` itself stays as it is.

    Any float32 module will do that takes one tensor of N×C×H×W images and that torch.fx can trace. What comes out is
    not fine-tuned, but where there are images to calibrate on, what is left after a cut is refitted to what the
    original gives for them. Train its `.module` as you would the original; it has the original's device, mode and
    frozen parameters.

    image: (channels, height, width) of what the model reads, in px.
    keep: the share of `metric` that remains, above 0 and at most 1.
    metric: "macs" (multiply–accumulates of one image) or "params".
    criterion: what goes first, a name from `espalier criteria` or several joined by +. Those that look at gradients,
        activations or attempts need `calibration`.
    order: "channels", "layers" (whole blocks), or one after the other.
    calibration: normalised float images N×C×H×W, as a pair with their N labels for gradients and attempts, or an
        iterable of such batches, of which about the first 640 images are read (all, for attempts). The cut is checked
        on some of them, else on random ones.
    depth_share: of the reduction, in log space, that layers answer for where the order has both phases.
    scope: "global" ranks all channels together, "uniform" cuts the same share of every layer.
    round_to: widths become multiples of it.
    seed: of the criterion "random".
    keep_layers: names of layers and blocks that stay as they are, or with "=0.5" behind them keep that share of their
        channels; "layer1.*" names all that begin so.
    rank: with scope "global", "score" ranks channels by what they matter, "per-saving" by that over what each frees of
        `metric`. By default "per-saving" with the criterion "obs", whose scores compare across layers, else "score".
    reconstruct: whether what is left is refitted by least squares, without labels; where nothing is said it is if
        `calibration` has 16 images or more that are not all alike.

    RequestError: an operation that no rule knows (by its name), a target out of reach, no removable block, and all that
    cannot be asked for. WorkError: scores that are not finite, or a cut that changes what the network computes.

    >>> import engine
    >>> from torch import nn
    >>> model = nn.Sequential(
    ...     nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, 10)
    ... )
    >>> pruned = engine.prune(model, image=(1, 12, 12), keep=0.5)
    >>> pruned.cost.macs_share <= 0.5
    True
    >>> pruned.module[0].out_channels < 16
    True
    """
    request = settings.parse(
        {
            "image": image,
            "keep": keep,
            "metric": metric,
            "criterion": criterion,
            "order": order,
            "depth_share": depth_share,
            "scope": scope,
            "round_to": round_to,
            "seed": seed,
            "keep_layers": keep_layers,
            "rank": rank,
            "reconstruct": reconstruct,
        }
    )
    clone = working_copy(model, request.image)
    state = ModuleState.of(model)
    calibration_images = _calibration_images(request, calibration, clone)
    structure = summarize(clone, request.image, type(model).__name__)
    baseline = structure.summary
    check_rules(baseline, request.keep_layers)
    _check_blocks(baseline, request)
    network = _Network(clone, structure, Plan(baseline.model, baseline.classes, request.image))
    cost, reference = Metric(request.metric).of(CostModel(baseline)), None
    if calibration_images is not None and _reconstructs(request, calibration_images.images):
        reference = Reference(structure, calibration_images.images.to(state.device), request.seed)
    selection = _Selection(request, calibration_images, state.device, cost, reference)
    untouched = network
    for phase in request.phases():
        network = selection.refit(selection.cut(network, phase), untouched)
    return PrunedModel(state.restore(network.module), network.plan, baseline, network.structure.summary)


@dataclass(frozen=True)
class _Network:
    """A working copy, what it is made of, and the plan that leads to it."""

    module: nn.Module
    structure: Structure
    plan: Plan


@dataclass(frozen=True)
class _Selection:
    """How much goes and which: the settings, what criteria look at, and what the original costs in the metric.

    The `reference` is that of the original on the device, where what is left is refitted.
    """

    settings: PruneSettings
    images: ImageTensor | None
    device: torch.device
    baseline: float
    reference: Reference | None

    def cut(self, network: _Network, phase: str) -> _Network:
        """`network` after one phase, proven on images; itself where the target is met already."""
        try:
            step = self._step(network.module, network.structure, phase)
        except solver.TargetUnreachable as error:
            asked = self.settings
            raise error.as_request_error(
                asked.keep, asked.metric, asked.order, self.baseline, asked.keep_layers
            ) from None
        if not step.blocks and not step.channels:
            return network
        module, _ = checked.cut(network.module.cpu(), network.structure, step, self._check_images())
        structure = summarize(module, network.plan.image, network.plan.model)
        return _Network(module, structure, network.plan.then(step))

    def refit(self, pruned: _Network, untouched: _Network) -> _Network:
        """`pruned`, what is left of it refitted in place where the settings have it so."""
        if self.reference is None:
            return pruned
        for network in (pruned, untouched):
            network.module.to(self.device).eval()
            network.structure.trace.graph.to(self.device)
        refit(pruned.structure, pruned.module, self.reference, pruned.plan.steps)
        return pruned

    def _step(self, module: nn.Module, structure: Structure, phase: str) -> Step:
        settings = self.settings
        shares = solver.split_target(self.baseline, settings.keep, settings.depth_share, settings.order)
        last = phase == settings.phases()[-1]
        calibration = self._calibration(module, structure)
        stays = protection(structure.summary, settings.keep_layers)
        one_shot = OneShot.of(Metric(settings.metric), settings.criterion, settings)
        if phase == "layers":
            blocks = depth.candidates(structure.summary, protected=stays.blocks)
            limit, floor = (shares.total, 0.0) if last else (shares.layers, shares.total)
            return one_shot.blocks(
                structure, score_blocks(calibration, blocks, settings.criterion), limit, stays, floor
            )
        limit = shares.total if last else shares.channels
        return one_shot.channels(structure, score_channels(calibration, settings.criterion), limit, stays)

    def _calibration(self, module: nn.Module, structure: Structure) -> Calibration:
        """The traced network as criteria see it: with images on the original's device, else on the CPU."""
        seed = self.settings.seed
        if self.images is None:
            return Calibration(module, structure.trace, _no_batches, torch.device("cpu"), seed)
        images = self.images.to(self.device)
        module.to(self.device).requires_grad_(True)
        structure.trace.graph.to(self.device)  # the constants of its forward, too
        is_original = self.reference is not None and self.reference.structure.trace is structure.trace
        return Calibration(
            module,
            structure.trace,
            images.calibration_batches,
            self.device,
            seed,
            images,
            reference=self.reference if is_original else None,
        )

    def _check_images(self) -> Tensor:
        if self.images is not None:
            return self.images.images[:_CHECK_IMAGES]
        return torch.randn(_CHECK_IMAGES, *self.settings.image, generator=torch.Generator().manual_seed(0))


def _reconstructs(settings: PruneSettings, images: Tensor) -> bool:
    """Whether a refit is asked for, or nothing is said of it and the images will do."""
    return are_enough(images) if settings.reconstruct is None else settings.reconstruct


def _no_batches() -> Iterator[tuple[Tensor, Tensor]]:
    return iter(())


def _check_blocks(summary: ModelSummary, settings: PruneSettings) -> None:
    """RequestError when blocks are to go and none may."""
    protected = protection(summary, settings.keep_layers).blocks
    if "layers" in settings.phases() and not depth.candidates(summary, protected=protected):
        left = " that keep_layers leaves" if protected else ""
        raise RequestError(
            f"{summary.model} has no removable block{left}, and the order {settings.order} asks for some; "
            "take the order channels"
        )


def _calibration_images(settings: PruneSettings, source: Any, clone: nn.Module) -> ImageTensor | None:
    """The images to score and check on, None where there are none; RequestError when they are missing or wrong."""
    image_criterion = settings.needs("gradients", "activations", "attempts")
    if source is None and settings.reconstruct:
        raise RequestError("reconstruct looks at images; give some as calibration, or leave it out")
    if source is None:
        if image_criterion is not None:
            raise RequestError(f"criterion {image_criterion} looks at images; give some as calibration, or take l1")
        return None
    uses_attempts = settings.needs("attempts") is not None
    images = read_images(source, settings.image, None if uses_attempts else CALIBRATION_IMAGES)
    label_criterion = settings.needs("gradients", "attempts")
    if label_criterion is not None:
        _check_labels(label_criterion, images, output_of(clone, settings.image))
    return images


def _check_labels(criterion: str, images: ImageTensor, output: Tensor) -> None:
    """RequestError when the images have no labels, or one that is no class of the model."""
    if images.labels is None:
        raise RequestError(f"criterion {criterion} needs labels; give calibration as a pair (images, labels)")
    if output.dim() != 2:
        raise RequestError(f"criterion {criterion} needs a classifier, whose output is images × classes")
    lowest, highest = int(images.labels.min()), int(images.labels.max())
    if lowest < 0 or highest >= output.shape[1]:
        raise RequestError(
            f"the model has {output.shape[1]} classes, 0 to {output.shape[1] - 1}, and labels are {lowest} to {highest}"
        )
