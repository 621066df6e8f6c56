"""The sweep: a thousand settings, each with some seeds."""

from typing import Any

from engine.spec.sweep.document import Document, read

NAME = "many nodes"
_CRITERIA = ("l1", "l2", "fpgm", "lamp", "bn_scale")
_ORDERS = ("layers-channels", "channels-layers")


def raw(seeds: int, ratios: int = 10, shares: int = 10) -> dict[str, Any]:
    """What its file says: 10 × `ratios` × `shares` × `seeds` runs."""
    return {
        "name": NAME,
        "spec": {
            "model": "resnet20",
            "data": {"name": "digits"},
            "criterion": list(_CRITERIA),
            "order": list(_ORDERS),
            "target": {
                "keep": [[round(0.9 - 0.05 * number, 2)] for number in range(ratios)],
                "depth_share": [round(0.1 + 0.08 * number, 2) for number in range(shares)],
            },
            "seed": list(range(seeds)),
        },
    }


def document(swept: dict[str, Any]) -> Document:
    """A sweep as it is read."""
    return read(swept, "the sweep of many nodes")
