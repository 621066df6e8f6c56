"""What `engine.prune` returns: the smaller module, how it came about, and what it costs."""

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from torch import nn

from engine.errors import RequestError
from engine.export import onnx
from engine.graph.cost import Cost, CostModel
from engine.graph.summary import Layer, ModelSummary
from engine.interface.settings import parse_card
from engine.storage.atomic import as_work_error
from engine.surgery import serialization
from engine.surgery.model_card import Triple
from engine.surgery.plan import Plan
from engine.units import si

_NO_LAYER = Cost(0, 0)


@dataclass(frozen=True)
class CostChange:
    """Parameters and multiply–accumulates of one image, before and after; the shares are after over before."""

    before: Cost
    after: Cost

    @property
    def params_share(self) -> float:
        return self.after.params / self.before.params

    @property
    def macs_share(self) -> float:
        return self.after.macs / self.before.macs

    def __str__(self) -> str:
        macs = f"MACs {si(self.before.macs)} → {si(self.after.macs)} ({self.macs_share:.3f}×)"
        return f"{macs}, parameters {si(self.before.params)} → {si(self.after.params)} ({self.params_share:.3f}×)"


@dataclass(frozen=True, repr=False)
class PrunedModel:
    """A pruned network: `module` to train on and use, the `plan` that led to it, the summaries before and after.

    >>> import engine
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
    >>> pruned = engine.prune(model, image=(3, 8, 8), keep=0.5)
    >>> pruned
    PrunedModel(Sequential: MACs 8.35 k → 4.18 k (0.500×), parameters 802 → 402 (0.501×))
    >>> pruned.report()["kept"].to_dict()
    {'0': 4, '3': 2}
    """

    module: nn.Module
    plan: Plan
    baseline: ModelSummary
    summary: ModelSummary

    @property
    def cost(self) -> CostChange:
        """Parameters and multiply–accumulates before and after, as counts and shares."""
        return CostChange(CostModel(self.baseline)(), CostModel(self.summary)())

    def report(self) -> pd.DataFrame:
        """What was removed, one row a layer in order of depth.

        `channels` the layer put out, `kept` it puts out now (0: it went with the block `block`); `params` and `macs`
        before, `params_kept` and `macs_kept` now.
        """
        blocks = {
            name: block.name for block in self.baseline.blocks if self._is_removed(block.name) for name in block.layers
        }
        after = {layer.name: layer for layer in self.summary.layers}
        rows = []
        for layer in self.baseline.layers:
            pruned = after.get(layer.name)
            full, kept = _cost(self.baseline, layer), _cost(self.summary, pruned)
            rows.append(
                {
                    "layer": layer.name,
                    "kind": layer.kind,
                    "channels": layer.width,
                    "kept": 0 if pruned is None else pruned.width,
                    "block": blocks.get(layer.name, ""),
                    "params": full.params,
                    "params_kept": kept.params,
                    "macs": full.macs,
                    "macs_kept": kept.macs,
                }
            )
        return pd.DataFrame(rows).set_index("layer")

    def save(
        self,
        folder: str | Path,
        class_names: Sequence[str] | None = None,
        mean: Triple | None = None,
        std: Triple | None = None,
    ) -> Path:
        """Write plan.json, weights.safetensors and model.onnx into a new or empty `folder`: all of them, or nothing.

        Each says how the network is fed; the names of the classes, in the order of the logits, and the means and
        deviations of RGB values in 0..1 that it was trained with are said where they are given.
        RequestError when the folder holds something; WorkError when the disk or ONNX refuses. To read it back:
        `model = engine.load(folder / "weights.safetensors", Model())`.

        >>> import engine, tempfile
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))
        >>> with tempfile.TemporaryDirectory() as scratch:
        ...     saved = engine.prune(model, image=(3, 8, 8)).save(scratch + "/half")
        ...     sorted(file.name for file in saved.iterdir())
        ['model.onnx', 'plan.json', 'weights.safetensors']
        """
        card = parse_card(self.plan.image, self.plan.classes, class_names=class_names, mean=mean, std=std)
        folder = Path(folder).expanduser().absolute()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RequestError(f"{folder} exists and is not empty; name a new folder")
        part = folder.with_name(f".~{uuid.uuid4().hex[:8]}~{folder.name}")
        try:
            with as_work_error(folder):
                part.mkdir(parents=True)
            serialization.write(self.module, self.plan, card, part / "plan.json", part / "weights.safetensors")
            metadata = card.to_text(self.plan.to_json())
            onnx.export(self.module, self.plan.image, part / "model.onnx", metadata=metadata)
            with as_work_error(folder):
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return folder

    def __str__(self) -> str:
        report = self.report()
        rows = report[report["kept"] < report["channels"]]
        return f"{self!r}\n{rows.to_string()}"

    def __repr__(self) -> str:
        return f"PrunedModel({self.plan.model}: {self.cost})"

    def _is_removed(self, block: str) -> bool:
        return any(block in step.blocks for step in self.plan.steps)


def _cost(summary: ModelSummary, layer: Layer | None) -> Cost:
    """What one layer costs, without the norm after it; nothing where there is none."""
    return _NO_LAYER if layer is None else CostModel(replace(summary, layers=(layer,), affines=()))()
