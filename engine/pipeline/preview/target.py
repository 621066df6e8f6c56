"""One target of a preview: select by the untouched network's scores, cut, measure, reconstruct, measure again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch.nn.modules.module import register_module_forward_pre_hook

from engine.graph.cost import CostModel, kept_widths
from engine.graph.metric import Metric
from engine.pipeline.network import Network, check_images
from engine.pipeline.preview.answer import Tally, TargetPreview
from engine.pipeline.preview.request import PreviewRequest
from engine.pipeline.preview.subject import Listener, Subject, carried_scores
from engine.prune import solver
from engine.prune.one_shot import OneShot
from engine.prune.protection import protection
from engine.spec.run import Phase
from engine.storage.records.point import Reached, Reconstruction
from engine.surgery import plan


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
        # Traced here: what interrupts a trace would be taken for an objection of the network's.
        before, after = (CostModel(each.structure.summary) for each in (self.subject.network, network))
        plain = self._measure(network, "the plain cut")
        notes: list[str] = []
        reconstruction = self._reconstruct(network, notes)
        reconstructed = None if reconstruction is None else self._measure(network, "what was reconstructed")
        milliseconds = None if self.metric.predictor is None else round(self.metric.of(after), 4)
        share = None if milliseconds is None else milliseconds / self.metric.of(before)
        return TargetPreview(
            keep=self.keep,
            macs=after().macs,
            params=after().params,
            got=Reached.of(after(), before(), share),
            predicted_ms=milliseconds,
            blocks_removed=tuple(block for step in network.steps_since(self.subject.network) for block in step.blocks),
            widths=kept_widths(network.structure.summary, _original(self.subject.network)),
            plain=plain,
            reconstructed=reconstructed,
            reconstruction=reconstruction,
            notes=tuple(notes),
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
            return self.subject.measure(network, self.request.validation_images)

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
        one_shot = OneShot.of(self.metric, spec.criterion, spec.width)
        if phase == "layers":
            limit, floor = (shares.total, 0.0) if is_last else (shares.layers, shares.total)
            scores = self.subject.block_scores(self.request, self.listener)
            return one_shot.blocks(structure, scores, limit, stays, floor)
        channels = self.subject.channel_scores(self.request, self.listener)
        if network is not untouched:
            channels = carried_scores(channels, untouched.structure.trace, structure.trace)
        limit = shares.total if is_last else shares.channels
        return one_shot.channels(structure, channels, limit, stays)

    def _without(self, step: plan.Step, network: Network) -> Network:
        """The network after a step, on the device, where the one before it stays, too."""
        device = self.subject.inputs.device
        try:
            smaller, _ = network.cut(step, check_images(self.subject.inputs.data))
        finally:
            network.module.to(device)
        smaller.module.to(device)
        return smaller

    def _reconstruct(self, network: Network, notes: list[str]) -> Reconstruction | None:
        """Refit a cut network in place; None where that is not asked for, or nothing was cut."""
        if network is self.subject.network or not self.request.spec.recover.reconstruct:
            return None
        self._say("reconstructing")
        reconstructor = self.subject.reconstructor(self.request, notes.append)
        with self._interruptible("reconstructing"):
            return reconstructor.reconstruct(network)


def _original(untouched: Network) -> dict[str, int]:
    """Output channels of every convolution, in order of depth."""
    return {name: width for name, (width, _) in kept_widths(untouched.structure.summary).items()}
