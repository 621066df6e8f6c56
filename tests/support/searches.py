"""Searches of a network that nobody trained, over what takes seconds to try."""

from pathlib import Path
from typing import Any

from engine.spec.search import document as documents
from engine.spec.search.document import Document

SPACE = {
    "criterion": ["l1", "bn_scale"],
    "order": ["layers-channels", "channels"],
    "target": {"keep": {"min": 0.3, "max": 0.9}, "depth_share": {"min": 0.0, "max": 1.0}},
    "recover": {"calibration_images": [16], "lr": {"min": 0.001, "max": 0.01}},
}


def raw(weights: str, **changes: Any) -> dict[str, Any]:
    """What a search's file says of the network that the file of weights is called after; `changes` replace parts."""
    spec = {
        "model": Path(weights).stem,
        "weights": weights,
        "data": {"name": "digits", "limit": 48},
        "recover": {"epochs": 1},
    }
    return {"name": "small", "spec": spec, "space": SPACE, "trials": 5, "recover": 2} | changes


def document(weights: str, **changes: Any) -> Document:
    return documents.read(raw(weights, **changes), "search.yaml")
