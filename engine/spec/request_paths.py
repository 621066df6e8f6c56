"""The paths in a request, as a worker will find them that was started in another folder. No torch."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.errors import RequestError, concerns
from engine.spec import catalog, ids, messages
from engine.spec.networks import own_names
from engine.spec.settings import settings_of


def absolute(raw: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The request for a `model` with its paths as the worker will find them, whatever folder it was started in."""
    out = dict(raw)
    with concerns("model"):
        out |= _absolute_network(out.get("model"))
    weights = out.get("weights")
    if isinstance(weights, str) and weights not in ("none", "hub") and not re.fullmatch(ids.POINT, weights):
        if not weights:
            raise RequestError("weights is empty; give none, hub or the path of a checkpoint", field="weights")
        out["weights"] = _absolute("weights", weights)
    data = out.get("data")
    name = data.get("name") if isinstance(data, Mapping) else None
    if isinstance(name, str):
        with concerns("data.name"):
            halves = catalog.halves(name)
        out["data"] = {**out["data"], "name": ">".join(map(_absolute_dataset, halves))}
    for field in settings_of(model):
        if field.setting.path:
            out = _with_absolute(out, field.place, field.name)
    return out


def _absolute_network(model: Any) -> dict[str, str]:
    """The model of a request whose path is made absolute, if it is one of a file."""
    if not isinstance(model, str) or not own_names.is_own(model) or model.startswith(own_names.MY):
        return {}
    own = own_names.parse(model)
    return {"model": own_names.OwnFile(own_names.whole(Path(_absolute("model", own.path))), own.function).text}


def _absolute_dataset(name: str) -> str:
    """The name of one dataset, whose path is made absolute, if it has one."""
    prefix = catalog.prefix_of(name)
    path = name.removeprefix(prefix)
    return prefix + _absolute("data.name", path) if prefix and path else name


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
