"""The paths in a request, as a worker will find them that was started in another folder. No torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.spec import catalog, messages


def absolute(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Paths as the worker will find them, whatever folder it was started in."""
    out = dict(raw)
    weights = out.get("weights")
    if isinstance(weights, str) and weights not in ("none", "hub"):
        if not weights:
            raise RequestError("weights is empty; give none, hub or the path of a checkpoint", field="weights")
        out["weights"] = _absolute("weights", weights)
    data = out.get("data")
    if isinstance(data, Mapping):
        data = dict(data)
        name, root = data.get("name"), data.get("root")
        for prefix in catalog.DATASET_PREFIXES:
            if isinstance(name, str) and name.startswith(prefix) and name != prefix:
                data["name"] = prefix + _absolute("data.name", name[len(prefix) :])
        if isinstance(root, str):
            data["root"] = _absolute("data.root", root)
        out["data"] = data
    target = out.get("target")
    if isinstance(target, Mapping) and isinstance(target.get("latency_table"), str):
        out["target"] = {**target, "latency_table": _absolute("target.latency_table", target["latency_table"])}
    return out


def _absolute(field: str, text: str) -> str:
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, ValueError):  # ~somebody, who has no home here
        sentence = f"{field} {messages.quote(text)} names no home folder of this computer"
        raise RequestError(sentence, field=field) from None
