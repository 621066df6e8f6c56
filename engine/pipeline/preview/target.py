"""One target of a preview: select by the untouched network's scores, cut, measure, reconstruct, measure again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch.nn.modules.module import register_module_forward_pre_hook

from engine.data.loader import batches
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.pipeline.preview.answer import Refit, Tally, TargetPreview
from engine.pipeline.preview.request import PreviewRequest
from engine.pipeline.preview.subject import Listener, Subject, carried_scores
from engine.pipeline.recorder import Network
from engine.prune import depth, solver, width
from engine.prune.protection import protection
from engine.spec.run import Phase
from engine.storage.records.point import Reached
from engine.surgery import checked, plan
from engine.surgery.reconstruction.refit import Reconstruction, refit

CHECK_IMAGES = 16


@dataclass(frozen=True)
class Target:
    """A target on its way from the untouched network to its figures."""

    request: PreviewRequest
    subject: Subject
    metric: Metric
    keep: float
    listener: Listener

    def preview(self) -> TargetPreview:
        """What comes of it; RequestError when it cannot be met."""
        started = time.monotonic()
        network = self._cut()
        plain = self._measure(network, "the plain cut")
        refitted = self._refit(network)
        reconstructed = None if refitted is None else self._measure(network, "what was reconstructed")
        before, after = (CostModel(each.structure.summary) for each in (self.subject.network, network))
        milliseconds = None if self.metric.predictor is None else round(self.metric.of(after), 4)
        share = None if milliseconds is None else milliseconds / self.metric.of(before)
        return TargetPreview(
            keep=self.keep,
            macs=after().macs,
            params=after().params,
            got=Reached.of(after(), before(), share),
            predicted_ms=milliseconds,
            blocks_removed=tuple(block for step in self._steps(network) for block in step.blocks),
            widths=_widths(self.subject.network, network),
            plain=plain,
            reconstructed=reconstructed,
            refit=None if refitted is None else _refit_record(refitted),
            notes=() if refitted is None else _notes(refitted),
            seconds=round(time.monotonic() - started, 2),
        )

    def _say(self, what: str) -> None:
        self.listener(f"{self.keep:g}×: {what}")

    @contextmanager
    def _interruptible(self, what: str) -> Iterator[None]:
        """The listener is called before every layer that runs inside, and what it raises ends it."""
        handle = register_module_forward_pre_hook(lambda module, inputs: self._say(what))
        try:
            yield
        finally:
            handle.remove()

    def _measure(self, network: Network, what: str) -> Tally:
        with self._interruptible(f"measuring {what}"):
            return self.subject.measure(network.module, self.request.validation_images)

    def _steps(self, network: Network) -> tuple[plan.Step, ...]:
        return network.plan.steps[len(self.subject.network.plan.steps) :]

    def _cut(self) -> Network:
        """The network that meets the target; the untouched one where that meets it already."""
        spec, network = self.request.spec, self.subject.network
        baseline = self.metric.of(CostModel(network.structure.summary))
        shares = solver.split_target(baseline, self.keep, spec.target.depth_share, spec.order)
        for phase in spec.phases():
            try:
                step = self._select(phase, network, shares)
            except solver.TargetUnreachable as error:
                metric, order = spec.target.metric, spec.order
                raise error.as_request_error(self.keep, metric, order, baseline, spec.keep_layers) from None
            if step.removes_something():
                self._say(f"cutting {phase}")
                network = self._without(step, network)
        return network

    def _select(self, phase: Phase, network: Network, shares: solver.Shares) -> plan.Step:
        """What one phase removes."""
        spec, structure, untouched = self.request.spec, network.structure, self.subject.network
        is_last = phase == spec.phases()[-1]
        original = {layer.name: layer.width for layer in untouched.structure.summary.layers}
        stays = protection(structure.summary, spec.keep_layers, spec.width.least_share, original)
        if phase == "layers":
            limit, floor = (shares.total, 0.0) if is_last else (shares.layers, shares.total)
            scores = self.subject.block_scores(self.request, self.listener)
            removed = depth.select_blocks(
                structure.summary, scores, self.metric, limit, not_below=floor, protected=stays.blocks
            )
            return plan.Step(blocks=tuple(removed))
        channels = self.subject.channel_scores(self.request, self.listener)
        if network is not untouched:
            channels = carried_scores(channels, untouched.structure.trace, structure.trace)
        limit = shares.total if is_last else shares.channels
        dropped = width.select_channels(
            structure,
            channels,
            self.metric,
            limit,
            spec.width.scope,
            spec.width.round_to,
            stays.least,
            width.Ranking.of(spec.criterion, spec.width.rank),
        )
        return plan.channel_step(structure.trace, dropped)

    def _without(self, step: plan.Step, network: Network) -> Network:
        """The network after a step, proven equal to the masked network on real images."""
        data, device = self.subject.inputs.data, self.subject.inputs.device
        images, _ = next(batches(data.val, data, CHECK_IMAGES, "cpu"))
        try:
            module, _ = checked.cut(network.module.cpu(), network.structure, step, images)
        finally:
            network.module.to(device)
        return Network(module.to(device), network.plan.then(step))

    def _refit(self, network: Network) -> Reconstruction | None:
        """Refit a cut network in place; None where that is not asked for, or nothing was cut."""
        if network is self.subject.network or not self.request.spec.recover.reconstruct:
            return None
        self._say("reconstructing")
        reference = self.subject.reference(self.request.calibration_images)
        structure, steps, ridge = network.structure, self._steps(network), self.request.spec.recover.ridge
        structure.trace.graph.to(reference.images.device)
        with self._interruptible("reconstructing"):
            return refit(structure, network.module, reference, steps, ridge)


def _widths(untouched: Network, network: Network) -> dict[str, tuple[int, int]]:
    """Original and kept output channels of every convolution, in order of depth; 0 kept in removed blocks."""
    kept = {layer.name: layer.width for layer in network.structure.summary.layers}
    layers = [layer for layer in untouched.structure.summary.layers if layer.kind != "linear"]
    return {layer.name: (layer.width, kept.get(layer.name, 0)) for layer in layers}


def _refit_record(done: Reconstruction) -> Refit:
    return Refit(
        layers=len(done.layers),
        images=done.images,
        checked=done.checked,
        before=done.before,
        after=done.after,
        kept=done.kept,
    )


def _notes(done: Reconstruction) -> tuple[str, ...]:
    """What reconstruction left as it was."""
    if done.kept:
        return done.left
    return (
        *done.left,
        f"the refit came out no nearer to the untouched network than the plain cut, on {done.checked} images kept back "
        "for this, so the cut stays as it was",
    )
