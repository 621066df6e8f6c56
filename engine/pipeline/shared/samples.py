"""The samples of an untouched network that refits compare with, shared by the runs that have it as their baseline."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from engine.pipeline.network import Network
from engine.pipeline.shared import digests
from engine.pipeline.shared.entry import Entry
from engine.pipeline.shared.sharing import Sharing
from engine.storage.cache.cache import Key

_VALUES = "values"


@dataclass(frozen=True)
class SampleMemory:
    """`Memory` of a reference in the cache, an entry for each of its tensors."""

    sharing: Sharing
    key: Key  # of the reference as a whole

    @classmethod
    def of(cls, sharing: Sharing, untouched: Network, images: Tensor, seed: int, samples: int) -> "SampleMemory":
        """By the network, the images as it reads them, and how they are sampled."""
        parts = {"images": digests.of_tensors({"images": images}), "seed": seed, "samples": samples}
        return cls(sharing, sharing.key("samples", untouched, parts))

    def load(self, name: str) -> Tensor | None:
        """As `Memory` has it."""
        entry = self.sharing.find(self._key(name))
        # A copy: what lies inside of a file's bytes is not aligned as torch has it, and other instructions round
        # otherwise.
        return None if entry is None else entry.tensors[_VALUES].clone()

    def save(self, name: str, values: Tensor) -> None:
        """As `Memory` has it."""
        self.sharing.keep(self._key(name), Entry({_VALUES: values}))

    def alone(self) -> AbstractContextManager[None]:
        """As `Memory` has it."""
        return self.sharing.alone(self.key, "activations")

    def _key(self, name: str) -> Key:
        return Key.of(self.key.kind, {"reference": self.key.digest, "name": name})
