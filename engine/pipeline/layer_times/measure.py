"""The layers of a point timed on this host, kept beside it, and told about."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.latency.layers.host_profile import profile_side_by_side
from engine.latency.layers.reasons import explain
from engine.latency.layers.sessions import Report
from engine.measure import machine
from engine.pipeline.layer_times.networks import pruned_subject, untouched_subject
from engine.storage.folders.run import Run
from engine.storage.outcomes import layer_times, layers
from engine.storage.outcomes.layer_times import LayerTimesPair


def measure(run: Run, point: int, threads: int, report: Report) -> dict[str, Any]:
    """Time the layers of a point and of the network that its run began with, write both beside the point, and explain.

    Both take turns in this process. RequestError for a point that has no network, or too many threads.
    """
    machine.check_threads(threads)
    with tempfile.TemporaryDirectory(prefix="espalier-layers-") as scratch:
        report(0.0, "preparing both networks")
        pruned, image = pruned_subject(run, point, Path(scratch))
        untouched = untouched_subject(run, point, Path(scratch))
        before, after = profile_side_by_side((untouched, pruned), image, threads, report)
    pair = LayerTimesPair(untouched=before, pruned=after)
    layer_times.write(run, pair)
    run.tell_change()
    return {"run_id": run.id, "point": point, **pair.to_json(), **explained(run, pair)}


def explained(run: Run, pair: LayerTimesPair) -> Mapping[str, Any]:
    """Why the pruned network takes the time it takes, for a program; nothing where the MACs of layers are not known."""
    base_macs, macs = (macs_of(run, profile.point) for profile in (pair.untouched, pair.pruned))
    if not base_macs or not macs:
        return {}
    found = explain(pair.untouched, pair.pruned, base_macs, macs)
    reasons = [{**asdict(reason), "title": reason.title} for reason in found.reasons]
    return {"answer": found.answer, "round_to": found.round_to, "reasons": reasons}


def macs_of(run: Run, point: int) -> dict[str, int]:
    """The MACs of each layer of a point; empty in runs of versions that did not keep them."""
    return {layer.name: layer.macs for layer in layers.read(run.path / "models" / f"p{point}.{layers.SUFFIX}")}
