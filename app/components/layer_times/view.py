"""What a comparison of layer times comes to on a screen: rows of a chart, a table and sentences. Pure."""

from collections.abc import Mapping

import pandas as pd

from app import escape, format, text
from app.charts.comparison.aligned import merge
from app.charts.comparison.layer_times import Row
from app.components.layer_times.kept import Comparison, of_other_machine
from engine.data.images.words import count
from engine.latency.layers.reasons import Reason
from engine.storage.timings.layers import Kind, LayerProfile

_TOGETHER: Mapping[Kind, str] = {"operation": "operations", "copy": "copies", "unknown": "without a name"}
_SHARED = "layers that ran as one"


def rows(comparison: Comparison) -> list[Row]:
    """A row for each layer in order of depth, then all operations, all copies and what has no name."""
    before, after = by_name(comparison.untouched), by_name(comparison.pruned)
    names = merge([list(before), list(after)])
    ends = [name for name in (*_TOGETHER.values(), _SHARED) if name in names]
    expected = _expected(comparison)
    notes = _titles(comparison)
    return [
        Row(name, before.get(name), after.get(name), expected.get(name), notes.get(name, ""))
        for name in [*(name for name in names if name not in ends), *ends]
    ]


def table(comparison: Comparison) -> pd.DataFrame:
    """The same in figures: `layer`, `untouched` and `pruned` in ms, `ratio`, the share of `macs` left, the `reason`."""
    shown = rows(comparison)
    shares = _macs_shares(comparison)
    return pd.DataFrame(
        {
            "layer": [escape.plain(row.name) for row in shown],
            "untouched": [row.untouched for row in shown],
            "pruned": [row.pruned for row in shown],
            "ratio": [_ratio(row) for row in shown],
            "macs": [shares.get(row.name) for row in shown],
            "reason": [row.note for row in shown],
        }
    ).astype({"untouched": float, "pruned": float, "ratio": float, "macs": float})


def _ratio(row: Row) -> float | None:
    return row.pruned / row.untouched if row.pruned is not None and row.untouched else None


def reason_line(reason: Reason) -> str:
    """A reason as Markdown: what it is, what it costs, and its sentence."""
    cost = f"{format.milliseconds(reason.ms)}, {format.percent(reason.share)} of its time"
    return f"**{reason.title}** · {cost}  \n{escape.markdown(reason.sentence, 1000)}"


def way_on(round_to: int | None, order: str) -> dict[str, str]:
    """The parameters of Launch's address that make a run like this one faster: a multiple for widths, or a latency.

    An `order` of layers alone has no widths to round.
    """
    if round_to is not None and order != "layers":
        return {"round_to": str(round_to)}
    return {"metric": "latency"}


def conditions(comparison: Comparison) -> str:
    """How both networks were timed, in one line of plain text."""
    profile = comparison.pruned
    names = {"onnxruntime": "ONNX Runtime", "trtexec": "TensorRT"}
    parts = [f"{names.get(profile.tool, profile.tool)} {profile.version or ''}".strip(), profile.precision.upper()]
    if profile.threads is not None:
        parts.append(count(profile.threads, "thread"))
    if profile.host is not None:
        parts.append(text.host_label(profile.host))
    if profile.count is not None:
        parts.append(f"{'medians' if profile.host else 'means'} of {profile.count:,}")
    return ", ".join(parts)


def remarks(comparison: Comparison) -> list[str]:
    """What a reader should know before these numbers, a plain sentence each."""
    said = []
    other = of_other_machine(comparison.pruned)
    if other is not None:
        said.append(f"Measured on another computer ({other}): measure again to see this one's.")
    if comparison.pruned.precision != comparison.untouched.precision:
        said.append(
            f"The pruned network is in {comparison.pruned.precision.upper()}, the untouched one in "
            f"{comparison.untouched.precision.upper()}."
        )
    fresh = [name for name, of in _sides(comparison) if of.fresh_weights]
    if fresh:
        said.append(
            f"The run does not keep the {' and the '.join(fresh)} network: the same one with fresh weights was timed, "
            "which takes as long."
        )
    if comparison.explanation is None:
        said.append("The run keeps no MACs of single layers, as those of earlier versions: run it again for reasons.")
    return said


def unnamed(profile: LayerProfile) -> str:
    """Which share of the time has a layer's or an operation's name, and what the rest is."""
    total = profile.total_ms or 0.0
    copies, unknown = (sum(row.ms for row in profile.layers if row.kind == kind) for kind in ("copy", "unknown"))
    if not total:
        return "The profiler timed nothing."
    named = format.percent((total - copies - unknown) / total)
    return f"{named} of the pruned network's time has names of its own, {format.percent(copies / total)} is copies."


def on_sum(profile: LayerProfile) -> str:
    """How the times of the layers go together with the latency of the whole."""
    if profile.host is None:
        return "By the board's profiler, which waits after every layer: its sum is no latency."
    return "By ONNX Runtime's profiler, which adds a little to each layer: its sum is more than the latency."


def by_name(profile: LayerProfile) -> dict[str, float]:
    """Milliseconds of each layer that ran by itself, and of all else by what it is."""
    times: dict[str, float] = {}
    for row in profile.layers:
        is_layer = row.kind == "layer"
        name = row.layers[0] if is_layer and len(row.layers) == 1 else _SHARED if is_layer else _TOGETHER[row.kind]
        times[name] = times.get(name, 0.0) + row.ms
    return times


def _sides(comparison: Comparison) -> tuple[tuple[str, LayerProfile], ...]:
    return ("untouched", comparison.untouched), ("pruned", comparison.pruned)


def _expected(comparison: Comparison) -> dict[str, float]:
    found = comparison.explanation
    return {} if found is None else {layer.name: layer.expected for layer in found.account.layers}


def _macs_shares(comparison: Comparison) -> dict[str, float]:
    found = comparison.explanation
    layers = () if found is None else found.account.layers
    return {layer.name: layer.macs / layer.base_macs for layer in layers if layer.base_macs}


def _titles(comparison: Comparison) -> dict[str, str]:
    """By layer, or by what stands for all copies and the like, the reason that it is one of."""
    found = comparison.explanation
    titles: dict[str, str] = {}
    for reason in () if found is None else found.reasons:
        titles |= dict.fromkeys(reason.layers, reason.title)
    return titles
