"""Exact attempts: what a network loses without a block or some channels, measured on every image.

Wu et al. 2023 attempt every block so, Guo et al. 2020 some channels of every layer. Each image passes
through the part of the network before an attempt once for all attempts (see `shared_prefix`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.criteria.attempts.shared_prefix import Attempt, SharedPrefix
from engine.criteria.calibration import EVALUATION_BATCH, ImageSource
from engine.errors import RequestError
from engine.graph.channel_ids import Trace
from engine.spec.parts import ExactMeasure
from engine.train.distil import divergence

TEMPERATURE = 4.0  # of the outputs whose divergence is measured
CPU_BATCH = 64  # images, where rounding does not matter: activations of more cost fresh memory for every attempt


@dataclass
class Tally:
    """What a network does on the images measured so far: sums over images."""

    total: int = 0
    correct: int = 0
    loss: float = 0.0  # cross-entropy, nats
    divergence: float = 0.0  # KL from the reference's outputs at temperature 4, nats

    def add(self, logits: Tensor, labels: Tensor, reference: Tensor) -> None:
        """Count a batch of N×classes logits; `reference` are the baseline's."""
        self.total += len(labels)
        self.correct += int((logits.argmax(1) == labels).sum())
        self.loss += float(F.cross_entropy(logits, labels, reduction="sum").double())
        self.divergence += float(divergence(logits, reference, TEMPERATURE).double().sum())

    def harm(self, measure: ExactMeasure) -> float:
        """What never falls as images are added: errors, loss or divergence, summed up."""
        return {"accuracy": float(self.total - self.correct), "loss": self.loss, "divergence": self.divergence}[measure]

    @property
    def accuracy(self) -> float:
        return self.correct / self.total

    def to_json(self) -> dict[str, float | int]:
        total = max(self.total, 1)
        return {
            "correct": self.correct,
            "total": self.total,
            "loss": self.loss / total,
            "divergence": self.divergence / total,
        }


class AttemptEvaluator:
    """Attempts on one network and the images they are measured on, in evaluation mode, without gradients.

    `reference` are the logits (images × classes, in the images' order) that divergence is counted from; by default the
    network's own. With `folded` norms losses come sooner, and the same up to rounding; without, counts of correct
    images are those of a plain loop bit for bit.
    """

    def __init__(
        self,
        trace: Trace,
        images: ImageSource,
        attempts: Sequence[Attempt],
        reference: Tensor | None = None,
        *,
        folded: bool = False,
    ) -> None:
        if not len(images):
            sentence = "there is no validation image to attempt anything on; raise data.val_fraction"
            raise RequestError(sentence, field="data.val_fraction")
        self.images, self.reference = images, reference
        self._batch_size = CPU_BATCH if folded and images.device.type == "cpu" else EVALUATION_BATCH
        self._prefix = SharedPrefix(trace, images.device, folded=folded)
        self._ablations = [self._prefix.prepare(attempt) for attempt in attempts]
        self.after = [Tally() for _ in attempts]
        self.before = Tally()

    def run(self) -> None:
        """Measure every attempt, and the current network, on every image."""
        offset = 0
        for images, labels in self.images.batches(self._batch_size):
            reference = None if self.reference is None else self.reference[offset : offset + len(labels)]
            self._add_batch(images, labels, reference)
            offset += len(labels)

    def measure_current(self) -> Tensor:
        """Measure the current network; its logits, images × classes, become the reference where none was given."""
        parts: list[Tensor] = []
        offset = 0
        with torch.inference_mode():
            for images, labels in self.images.batches(self._batch_size):
                ((_, output),) = self._prefix.outputs(images, [])
                parts.append(output.logits.float())
                reference = parts[-1] if self.reference is None else self.reference[offset : offset + len(labels)]
                self.before.add(parts[-1], labels, reference)
                offset += len(labels)
        logits = torch.cat(parts)
        self.reference = logits if self.reference is None else self.reference
        return logits

    def measure_more(self, positions: Sequence[int], indices: Tensor, *, include_current: bool = False) -> None:
        """Measure the attempts at `positions` on the images at `indices`; `include_current`: the current network, too.

        Needs a reference, given or from `measure_current`.
        """
        assert self.reference is not None
        offset, selection = 0, self.images.take(indices)
        ablations = [self._ablations[i] for i in positions]
        with torch.inference_mode():
            for images, labels in selection.batches(self._batch_size):
                reference = self.reference[indices[offset : offset + len(labels)]]
                for index, output in self._prefix.outputs(images, ablations, include_current=include_current):
                    tally = self.before if index is None else self.after[positions[index]]
                    tally.add(output.logits.float(), labels, reference)
                offset += len(labels)

    def _add_batch(self, images: Tensor, labels: Tensor, reference: Tensor | None) -> None:
        with torch.inference_mode():
            outputs = {i: output.logits.float() for i, output in self._prefix.outputs(images, self._ablations)}
        reference = outputs[None] if reference is None else reference
        for i, logits in outputs.items():
            (self.before if i is None else self.after[i]).add(logits, labels, reference)
