"""An entry of the cache: tensors by name, and a few facts beside them, as one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_FACTS = "facts"
_HEADER_AT = 8  # bytes: after the header's length


@dataclass(frozen=True)
class Entry:
    """Tensors on the CPU, and JSON values; numbers come back as they went in, bit for bit."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The file."""
        plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.tensors.items()}
        return save(plain, metadata={_FACTS: json.dumps(self.facts)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """The entry in a file; None where that is damaged."""
        try:
            end = _HEADER_AT + int.from_bytes(data[:_HEADER_AT], "little")
            facts = json.loads(json.loads(data[_HEADER_AT:end])["__metadata__"][_FACTS])
            return cls(load(data), facts)
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError):
            return None
