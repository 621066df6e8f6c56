"""What previews of one network on one dataset have in common: loaded, scored and measured once, then kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import fx

from engine.criteria.attempts.graph_rewrite import fold_norms
from engine.criteria.calibration import Calibration, Images, prepare_calibration
from engine.criteria.registry import score_blocks, score_channels
from engine.errors import RequestError
from engine.graph.channel_ids import Trace
from engine.pipeline.network import Network
from engine.pipeline.preview.answer import Tally
from engine.pipeline.preview.request import SAMPLES, PreviewRequest
from engine.pipeline.reconstruction import Reconstructor, calibration_images
from engine.pipeline.start import loading
from engine.pipeline.start.inputs import RunInputs, check_strange_network, load_network
from engine.pipeline.start.same_baseline import find_trained
from engine.spec.run import RunSpec
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import check_images
from engine.train.evaluate import tally

_CHOICE = 0  # seed of which validation images are looked at: the same ones in every preview
Listener = Callable[[str], None]  # hears what is going on; what it raises ends the preview


@dataclass
class Subject:
    """An untouched network and its data, with everything about them that previews have asked for so far."""

    inputs: RunInputs
    spec: RunSpec  # the first request's
    notes: list[str] = field(default_factory=list)
    _channels: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)
    _blocks: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    _untouched: dict[int, Tally] = field(default_factory=dict)
    _reference: tuple[int, Reference] | None = None

    @classmethod
    def load(cls, request: PreviewRequest, listener: Listener) -> "Subject":
        """The network and the data that a request names; RequestError when they do not fit or nobody trained it."""
        listener("loading the data and the network")
        spec, results = request.spec, Path(request.results)
        inputs = load_network(spec, results)
        notes = []
        if not inputs.zoo_model.pretrained:
            found = find_trained(results, spec)
            if found is None:
                raise _untrained(spec)
            run_id, network = found
            notes.append(f"the untouched network is the baseline of run {run_id}, which trained it")
            inputs = RunInputs(inputs.data, inputs.zoo_model, network, inputs.device, inputs.points_before)
        inputs.network.module.eval()
        check_strange_network(spec, inputs)
        return cls(inputs, spec, notes)

    @property
    def network(self) -> Network:
        return self.inputs.network

    def said(self, spec: RunSpec) -> list[str]:
        """What loading decided, as a run of `spec` would say it."""
        return [*self.notes, *loading.notes(spec, self.inputs)]

    def channel_scores(self, request: PreviewRequest, listener: Listener) -> Mapping[int, float]:
        """Scores of the untouched network's channel identities."""
        criterion = request.spec.criterion
        key = (criterion, request.calibration_images)
        if key not in self._channels:
            listener(f"scoring channels by {criterion}")
            self._channels[key] = score_channels(self._calibration(request), criterion)
        return self._channels[key]

    def block_scores(self, request: PreviewRequest, listener: Listener) -> Mapping[str, float]:
        """Scores of the untouched network's removable blocks."""
        criterion = request.spec.criterion
        key = (criterion, request.calibration_images)
        if key not in self._blocks:
            listener(f"scoring blocks by {criterion}")
            blocks = [block for block in self.network.structure.summary.blocks if block.removable]
            self._blocks[key] = score_blocks(self._calibration(request), blocks, criterion)
        return self._blocks[key]

    def measure(self, network: Network, count: int) -> Tally:
        """What a network names right of `count` validation images, the classes in proportion.

        Batch norms are folded into their convolutions, which is a fifth sooner. WorkError when outputs are not finite.
        """
        graph = network.structure.trace.graph
        module = fx.GraphModule(graph, graph.graph)
        fold_norms(module)
        data, device = self.inputs.data, torch.device(self.inputs.device)
        chosen, _ = data.val.representative(min(count, len(data.val)), _CHOICE)
        with torch.inference_mode():
            counts = tally(
                lambda images: module(images.contiguous(memory_format=torch.channels_last)).float(),
                Images(data.val, data, device).take(chosen).split,
                data,
                device,
            )
        return Tally.of(counts.correct, counts.total)

    def untouched(self, count: int, listener: Listener) -> Tally:
        """The same of the untouched network."""
        if count not in self._untouched:
            listener("measuring the untouched network")
            self._untouched[count] = self.measure(self.network, count)
        return self._untouched[count]

    def reconstructor(self, request: PreviewRequest, note: Callable[[str], None]) -> Reconstructor:
        """What refits the cuts of a request."""
        untouched = self.inputs.untouched or self.network
        reference = self._reference_of(request.calibration_images)
        return Reconstructor(untouched, reference, request.spec.recover.ridge, note)

    def _reference_of(self, count: int) -> Reference:
        """The untouched network's values for `count` training images, which every reconstruction looks at."""
        if self._reference is None or self._reference[0] != count:
            inputs, untouched = self.inputs, self.inputs.untouched or self.network
            images = calibration_images(inputs.data, count, inputs.device, self.spec.seed)
            check_images(images)
            self._reference = count, Reference(untouched.structure, images, self.spec.seed, SAMPLES)
        return self._reference[1]

    def calibration_images(self, request: PreviewRequest) -> int:
        """How many training images a request's reconstruction looks at: no more than there are."""
        asked = request.calibration_images if request.spec.recover.reconstruct else 0
        return min(asked, len(self.inputs.data.train))

    def _calibration(self, request: PreviewRequest) -> Calibration:
        """What criteria look at; those that read no labels, at the images of reconstruction."""
        inputs, structure = self.inputs, self.network.structure
        return prepare_calibration(
            self.network.module,
            structure.trace,
            inputs.data.val,
            inputs.data,
            inputs.device,
            self.spec.seed,
            lambda: self._reference_of(request.calibration_images).images,
            SAMPLES,
            self._reference_of(request.calibration_images) if request.spec.recover.reconstruct else None,
        )


def carried_scores(scores: Mapping[int, float], untouched: Trace, cut: Trace) -> dict[int, float]:
    """The untouched network's scores for the identities of one that has fewer blocks and every layer's channels."""
    carried: dict[int, float] = {}
    for name, layer in cut.layers.items():
        for identity, before in zip(layer.outs.tolist(), untouched.layers[name].outs.tolist(), strict=True):
            if before in scores:
                carried.setdefault(identity, scores[before])
    return carried


def _untrained(spec: RunSpec) -> RequestError:
    why = "there are no weights" if spec.weights == "none" else "the head of these weights does not fit the data"
    return RequestError(
        f"a preview trains nothing; {why}, and no run in the results folder has trained this network yet: give other "
        "--weights, or start a run first",
        field="weights",
    )
