"""Weights that a command names: a pruned network brings its model. No torch."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.storage.store import Store
from engine.zoo import source
from engine.zoo.checkpoints import formats
from engine.zoo.source import RunPoint, WeightsFile


def with_model(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """The request with the model of the pruned network that it starts from, and that run's data, where it names none.

    RequestError when it starts from a point of a run that is not in the store.
    """
    out = dict(request)
    weights = out.get("weights")
    named = source.parse(os.path.expanduser(weights)) if isinstance(weights, str) else None  # noqa: PTH111 - never raises
    if isinstance(named, RunPoint):
        spec = store.run(named.run_id).spec()
        data, own = out.get("data", {}), spec.data.model_dump(mode="json", exclude_defaults=True)
        if isinstance(data, Mapping) and "name" not in data:
            out["data"] = own | dict(data)
        return {"model": spec.model, **out}
    if isinstance(named, WeightsFile) and named.key is None:
        model = _model_in(formats.metadata(named.path).get("plan"))
        return ({"model": model} if model else {}) | out
    return out


def stated(**values: Any) -> dict[str, Any]:
    """The settings of a request that the command line names."""
    return {name: value for name, value in values.items() if value is not None}


def point_or_file(run_id: str | None, point: int | None, weights: str | None) -> RunPoint | Path:
    """Which network is meant: a run's point, or a file; RequestError unless it is named once."""
    if weights is None:
        if run_id is None or point is None:
            raise RequestError("give a run's ID with --point, or --weights RUN:POINT or the safetensors of a point")
        return RunPoint(run_id, point)
    if run_id is not None or point is not None:
        raise RequestError("--weights names a network by itself; leave out the run's ID and --point", field="weights")
    named = source.parse(weights)
    if isinstance(named, RunPoint):
        return named
    if not isinstance(named, WeightsFile):
        raise RequestError(f"--weights {weights} is no pruned network; give RUN:POINT or a point's safetensors")
    return named.path


def _model_in(plan: str | None) -> Any:
    """The model of a plan in JSON; None where that is damaged, which is for its reader to say."""
    try:
        return json.loads(plan or "{}").get("model")
    except (ValueError, RecursionError, AttributeError):
        return None
