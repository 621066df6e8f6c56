"""The refit, front to back: each layer's weights and bias in closed form, towards the untouched network's values.

What channel pruning by least squares does for one layer (He et al. 2017; Luo et al. 2017), for whatever reads what was
cut, and for the layer before a removed block.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from engine.errors import RequestError, WorkError
from engine.graph.channel_ids import Layer
from engine.graph.summarize import Structure, summarize
from engine.spec.parts import FEWEST_CALIBRATION_IMAGES
from engine.surgery.plan import Step
from engine.surgery.reconstruction.activations import Activations
from engine.surgery.reconstruction.least_squares import RIDGE, solve
from engine.surgery.reconstruction.numbering import Numbering
from engine.surgery.reconstruction.reference import Reference, outputs_of
from engine.surgery.reconstruction.samples import input_samples, join, output_samples, positions
from engine.surgery.reconstruction.sites import Site, ancestors, find_sites

SCARCE = 10  # samples for each input; with fewer the ridge grows by the square of what is lacking
_CHECKED = 8  # one image in so many is kept back: the refit must not be worse on those than the plain cut


@dataclass(frozen=True)
class Reconstruction:
    """What a reconstruction did: for each layer it refitted, the share of the wanted variance that is left over.

    `left` has a sentence on each layer that it could not refit. `before` and `after` are the mean squared error at the
    outputs on `checked` images that the refit did not see, of the plain cut and of what came out.
    """

    layers: dict[str, float]
    left: tuple[str, ...]
    images: int
    checked: int
    before: float
    after: float
    kept: bool  # False: it was no better on the images kept back, and the plain cut stays

    def remarks(self) -> tuple[str, ...]:
        """What a reader of its figures should know."""
        if self.kept:
            return self.left
        undone = (
            f"a refit came out no nearer to the untouched network than the plain cut, on {self.checked} images kept "
            "back for this, so the cut stays as it was"
        )
        return (*self.left, undone)


def reconstruct(
    pruned: nn.Module,
    untouched: nn.Module,
    steps: Sequence[Step],
    images: Tensor,
    ridge: float = RIDGE,
    seed: int = 0,
) -> Reconstruction:
    """Refit `pruned`, which `steps` made of `untouched`, in place on N×C×H×W images; see `refit`."""
    channels, height, width = images.shape[1:]
    after, before = (summarize(module, (channels, height, width)) for module in (pruned, untouched))
    for structure in (after, before):
        structure.trace.graph.to(images.device)  # the constants of its forward, too
    return refit(after, pruned, Reference(before, images, seed), steps, ridge)


@torch.no_grad()
def refit(
    structure: Structure, pruned: nn.Module, reference: Reference, steps: Sequence[Step], ridge: float = RIDGE
) -> Reconstruction:
    """Refit `pruned`, which `structure` describes and `steps` made of the reference's network, in place.

    Both are in evaluation mode and on the images' device. No labels, no gradients; shapes and costs stay. The same
    images and seed give the same weights. One image in eight is kept back: where the outputs on those do not come out
    nearer to the untouched network's than without a refit, by more than chance, `pruned` stays as it was cut.
    RequestError for too few images or for such as are all alike; WorkError for weights that are not finite.
    """
    check_images(reference.images)
    if not any(step.removes_something() for step in steps):
        return Reconstruction({}, (), len(reference.images), 0, 0.0, 0.0, kept=True)
    cut = copy.deepcopy(pruned.state_dict())
    work = _Refit(structure, reference, Numbering(steps, reference.structure), ridge)
    before = work.error(pruned)
    work.run()
    after = work.error(pruned)
    kept = after <= before * (1 - work.checked**-0.5)  # better by more than few images say by chance
    if not kept:
        pruned.load_state_dict(cut)
    return Reconstruction(work.residuals, work.left, work.fitted, work.checked, before, after if kept else before, kept)


def are_enough(images: Tensor) -> bool:
    """Whether something can be fitted on images: there are some, and they differ."""
    return len(images) >= FEWEST_CALIBRATION_IMAGES and not are_alike(images)


def check_count(images: int) -> None:
    """RequestError for too few training images to fit anything on."""
    if images < FEWEST_CALIBRATION_IMAGES:
        raise _refusal(
            f"reconstruction needs at least {FEWEST_CALIBRATION_IMAGES} training images (got {images}); bring more"
        )


def check_images(images: Tensor) -> None:
    """The same, and for images that are all alike."""
    check_count(len(images))
    if are_alike(images):
        raise _refusal(
            f"the {len(images)} training images that reconstruction looks at are all alike, so nothing can be fitted "
            "on them; bring others"
        )


def are_alike(images: Tensor) -> bool:
    """Whether images say nothing of how values vary: they are one and the same, or there is but one."""
    return bool((images == images[:1]).all())


def _refusal(objection: str) -> RequestError:
    return RequestError(f"{objection}, or leave it out with --no-reconstruct", field="recover.reconstruct")


class _Refit:
    """One pass through both networks side by side, the pruned one as far as it is refitted."""

    def __init__(self, pruned: Structure, reference: Reference, numbering: Numbering, ridge: float) -> None:
        self.trace, self.reference, self.numbering, self.ridge = pruned.trace, reference, numbering, ridge
        self.images = reference.images
        self.checked = len(self.images) // _CHECKED
        self.fitted = len(self.images) - self.checked
        self.ours = Activations(self.trace, self.images[: self.fitted])
        found = find_sites(self.trace, reference.structure.trace)
        self.sites, self.left = {site.node: site for site in found.sites}, found.left
        for site in found.sites:
            self.ours.announce(site.reads)
        self.residuals: dict[str, float] = {}

    def run(self) -> None:
        self.reference.compute((site.target, self._is_linear(site)) for site in self.sites.values())
        for site in self.sites.values():
            self._refit(site)

    def error(self, pruned: nn.Module) -> float:
        """Mean squared error at the outputs on the images kept back."""
        images = self.images[self.fitted :]
        theirs = self.reference.outputs(self.fitted)
        given = torch.cat([outputs_of(pruned(part)) for part in torch.split(images, self.ours.chunk)])
        return float((given.double() - theirs.double()).square().mean())

    def _is_linear(self, site: Site) -> bool:
        return self.trace.layers[site.layer].kind == "linear"

    def _refit(self, site: Site) -> None:
        """Solve one layer, after those that what is added to its output hangs on."""
        if site.layer in self.residuals:
            return
        for node in _upstream(site.summed) if site.summed is not None else ():
            if node in self.sites and node is not site.node:
                self._refit(self.sites[node])
        layer: Any = self.trace.graph.get_submodule(site.layer)
        norm: Any = self.trace.graph.get_submodule(str(site.norm.target)) if site.norm is not None else None
        inputs, outputs = self._samples(site, layer)
        ids = self.trace.layers[site.layer]
        self.residuals[site.layer] = _solve_into(layer, norm, ids, inputs, outputs, self.ridge)

    def _samples(self, site: Site, layer: Any) -> tuple[Tensor, Tensor]:
        """What the layer reads (samples × channels·taps) and what it should give (samples × outputs)."""
        is_linear, shape = self._is_linear(site), self.trace.values[site.node.name].shape
        places = self.reference.places(positions(shape, is_linear))
        kept = self.numbering.kept(site.chain).to(self.images.device)
        wanted = self.reference.samples(site.target)[: self.fitted * places.each].index_select(1, kept)

        def inputs() -> Iterator[Tensor]:
            start = 0
            for ours in self.ours.read(site.reads):
                at = places.of(start, len(ours[0]), self.images.device)
                yield input_samples(layer, ours[0], shape[-1], *at)
                if site.summed is not None:
                    first = start * places.each
                    added = output_samples(ours[1], is_linear, *at)
                    wanted[first : first + len(added)] -= added
                start += len(ours[0])

        return join(inputs(), self.fitted * places.each), wanted


def _upstream(node: fx.Node) -> list[fx.Node]:
    """The node and all that its value is computed from, in order."""
    seen = {node} | ancestors(node)
    return [n for n in node.graph.nodes if n in seen]


def _solve_into(layer: Any, norm: Any, ids: Layer, inputs: Tensor, outputs: Tensor, ridge: float) -> float:
    """Give a layer, and the batch norm after it, the weights that bring `inputs` nearest to `outputs`."""
    before = layer.weight.flatten(1)
    if norm is not None:
        before = before * (norm.weight / torch.sqrt(norm.running_var + norm.eps))[:, None]
    if not all(bool(torch.isfinite(numbers.sum())) for numbers in (before, inputs, outputs)):
        raise WorkError(
            f"{ids.name} cannot be refitted: its weights, or what it reads, are not finite numbers, as after a "
            "learning rate at which training diverged (--train-lr, --recover-lr)"
        )
    with_bias = norm is not None or layer.bias is not None
    ridge *= max(1.0, (SCARCE * inputs.shape[1] / ids.groups / len(inputs)) ** 2)
    pieces = zip(*(t.chunk(ids.groups, d) for t, d in ((inputs, 1), (outputs, 1), (before, 0))), strict=True)
    solutions = [solve(rows, values, part, ridge, with_bias=with_bias) for rows, values, part in pieces]
    weight = torch.cat([s.weight for s in solutions]).to(layer.weight.dtype)
    bias = torch.cat([s.bias for s in solutions])
    if norm is not None:
        mean, variance = (torch.cat(parts) for parts in zip(*((s.mean, s.variance) for s in solutions), strict=True))
        _put_with_norm(layer, norm, weight, bias, mean, variance * len(inputs) / (len(inputs) - 1))
    else:
        layer.weight.copy_(weight.reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(bias)
    return sum(s.residual for s in solutions) / len(solutions)


def _put_with_norm(layer: Any, norm: Any, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
    """The layer and its batch norm together give `weight` and `bias`; the norm's statistics are those of the samples.

    `mean` and `variance` are of what `weight` gives for them. Each output's weights keep the length that they had, and
    the norm the rest: what training does to weights before a batch norm depends on their length (van Laarhoven 2017),
    and short ones would be thrown far by the first step.
    """
    before, after = (w.flatten(1).norm(dim=1) for w in (layer.weight, weight))
    longer = torch.where((before > 0) & (after > 0), before / after, 1.0)
    layer.weight.copy_((weight * longer[:, None]).reshape(layer.weight.shape))
    if layer.bias is not None:
        layer.bias.zero_()
    norm.running_mean.copy_(mean * longer)
    norm.running_var.copy_(variance * longer.square())
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps) / longer)
    norm.bias.copy_(bias + mean)
