"""The paths in a request, as a worker will find them that was started in another folder. No torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.errors import RequestError
from engine.spec import catalog, messages
from engine.spec.settings import settings_of


def absolute(raw: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The request for a `model` with its paths as the worker will find them, whatever folder it was started in."""
    out = dict(raw)
    weights = out.get("weights")
    if isinstance(weights, str) and weights not in ("none", "hub"):
        if not weights:
            raise RequestError("weights is empty; give none, hub or the path of a checkpoint", field="weights")
        out["weights"] = _absolute("weights", weights)
    data = out.get("data")
    name = data.get("name") if isinstance(data, Mapping) else None
    for prefix in catalog.DATASET_PREFIXES:
        if isinstance(name, str) and name.startswith(prefix) and name != prefix:
            out["data"] = {**out["data"], "name": prefix + _absolute("data.name", name[len(prefix) :])}
    for field in settings_of(model):
        if field.setting.path:
            out = _with_absolute(out, field.place, field.name)
    return out


def _with_absolute(raw: Mapping[str, Any], place: tuple[str, ...], field: str) -> dict[str, Any]:
    """`raw` with the path at a place, where there is one, made absolute."""
    first, *inner = place
    value = raw.get(first)
    if inner and isinstance(value, Mapping):
        return {**raw, first: _with_absolute(value, tuple(inner), field)}
    if not inner and isinstance(value, str):
        return {**raw, first: _absolute(field, value)}
    return dict(raw)


def _absolute(field: str, text: str) -> str:
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, ValueError):  # ~somebody, who has no home here
        sentence = f"{field} {messages.quote(text)} names no home folder of this computer"
        raise RequestError(sentence, field=field) from None
