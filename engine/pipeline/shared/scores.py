"""The scores of an untouched network's blocks or channels, which serve every run that cuts it by the same criterion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engine.data.split import Data
from engine.pipeline.network import Network
from engine.pipeline.shared import digests
from engine.pipeline.shared.entry import Entry
from engine.pipeline.shared.sharing import Sharing

_NAMES, _NUMBERS, _SCORES = "names", "numbers", "scores"


@dataclass(frozen=True)
class ScoreMemory:
    """Scores of one network in the cache; `parts` are what they depend on besides: the criterion, seed and images."""

    sharing: Sharing
    network: Network
    parts: Mapping[str, Any]

    @classmethod
    def of(
        cls, sharing: Sharing | None, network: Network, data: Data, unlabelled: torch.Tensor | None, **parts: Any
    ) -> "ScoreMemory | None":
        """By what criteria look at: validation images, and `unlabelled` ones, or else training images.

        None where nobody can say what these are, and for a pair of datasets, whose labels come of the network itself.
        """
        if sharing is None or data.target is not None:
            return None
        seen = digests.of_splits(data, data.val, *((data.train,) if unlabelled is None else ()))
        if seen is None:
            return None
        images = None if unlabelled is None else digests.of_tensors({"images": unlabelled})
        return cls(sharing, network, {**parts, "images": seen, "unlabelled": images})

    def blocks(self, candidates: Sequence[str], compute: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Scores by the names of blocks, of which `candidates` are scored."""

        def entry() -> Entry:
            scores = compute()
            return Entry({_SCORES: _numbers(scores.values())}, {_NAMES: list(scores)})

        found = self._obtain({"of": "blocks", "candidates": list(candidates)}, entry)
        return dict(zip(found.facts[_NAMES], found.tensors[_SCORES].tolist(), strict=True))

    def channels(self, compute: Callable[[], dict[int, float]]) -> dict[int, float]:
        """Scores by the identities of channels."""

        def entry() -> Entry:
            scores = compute()
            return Entry({_NUMBERS: torch.tensor(list(scores), dtype=torch.int64), _SCORES: _numbers(scores.values())})

        found = self._obtain({"of": "channels"}, entry)
        return dict(zip(found.tensors[_NUMBERS].tolist(), found.tensors[_SCORES].tolist(), strict=True))

    def _obtain(self, parts: Mapping[str, Any], compute: Callable[[], Entry]) -> Entry:
        key = self.sharing.key("scores", self.network, {**self.parts, **parts})
        return self.sharing.obtain(key, "scores", compute)[0]


def _numbers(values: Any) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.float64)
