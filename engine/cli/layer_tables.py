"""What the command line prints for people of the layers of networks that a board, or this host, timed."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine import units
from engine.cli.printing import table_of, write, write_notes
from engine.storage.timings.layers import LayerProfile, LayerTime
from engine.texts import one_line
from engine.words import count

_LONGEST_LABEL, _LONGEST_NAME = 44, 38  # characters, so that a row is one line; the JSON has them whole
_SHOWN = 2  # modules of a row; of more, the first and the last


def layers(document: Mapping[str, Any]) -> None:
    """A table for each network, its layers in the order in which they ran."""
    for profile in map(LayerProfile.from_json, document["layers"]):
        point = f"{profile.run}.{profile.point}"
        if profile.why is not None:
            write(f"{point}: no layer profile: {profile.why}")
            continue
        write(f"{point}: {profile.tool} {profile.version} {profile.precision}, {_total(profile)}")
        table = table_of("layer", ">ms", ">%", "in TensorRT")
        for row in profile.layers:
            table.add_row(label(row), f"{row.ms:.4f}", f"{100 * row.share:.1f}", one_line(row.name, _LONGEST_NAME))
        write(table)
    if any(profile["why"] is None for profile in document["layers"]):
        write("The profiler waits after every layer, so that their sum is no latency.")


def side_by_side(document: Mapping[str, Any]) -> None:
    """The layers of an untouched network and of a pruned one beside each other, and why that is not faster."""
    untouched, pruned = (LayerProfile.from_json(document[key]) for key in ("untouched", "pruned"))
    write(
        f"{pruned.run}.{pruned.point} beside {untouched.run}.{untouched.point}: {pruned.tool} {pruned.version}, "
        f"{pruned.precision}, {pruned.provider}, {count(pruned.threads or 1, 'thread')}, {pruned.host}"
    )
    table = table_of("layer", ">untouched ms", ">pruned ms", ">ratio")
    before, after = times_by_name(untouched), times_by_name(pruned)
    for name in dict.fromkeys([*before, *after]):
        base, ms = before.get(name), after.get(name)
        ratio = "" if not base or ms is None else f"{ms / base:.2f}×"
        table.add_row(name, _milliseconds(base), _milliseconds(ms), ratio)
    write(table)
    for profile in (untouched, pruned):
        if profile.fresh_weights:
            write(f"Point {profile.point} is not kept as a file: the same network with fresh weights was timed.")
    if "answer" not in document:
        write("This run keeps no MACs of single layers, as those of earlier versions; run it again for the reasons.")
        return
    write(document["answer"])
    write_notes([f"{each['title']}, {units.three(each['ms'])} ms: {each['sentence']}" for each in document["reasons"]])
    write("The times of layers are by the profiler, which adds a little to each.")


def times_by_name(profile: LayerProfile) -> dict[str, float]:
    """Milliseconds by what people know: layers and operations one by one, all copies and all unknown in one each."""
    times: dict[str, float] = {}
    together = {"copy": "copies", "unknown": "without a name"}
    for row in profile.layers:
        name = together.get(row.kind) or label(row)
        times[name] = times.get(name, 0.0) + row.ms
    return times


def _milliseconds(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.4f}"


def where_layers_are(timing: str, profiles: Sequence[LayerProfile]) -> None:
    """Below what a timing measured: how to see its layers, and why those of a network are missing."""
    write_notes([f"{each.run}.{each.point}: no layer profile: {each.why}" for each in profiles if each.why is not None])
    if any(each.why is None for each in profiles):
        write(f"`espalier device show {timing} --layers` shows what every layer took")


def label(row: LayerTime) -> str:
    """What a row is called: its module, or the first and the last of several."""
    if not row.layers:
        return "a copy" if row.kind == "copy" else "not named by TensorRT"
    return one_line(("copy for " if row.kind == "copy" else "") + _joined(row.layers), _LONGEST_LABEL)


def _joined(names: Sequence[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({len(names)})"


def _total(profile: LayerProfile) -> str:
    inferences = "" if profile.count is None else f" over {profile.count:,}"
    number = f"{len(profile.layers)} layer{'' if len(profile.layers) == 1 else 's'}"
    together = f"{number}, {profile.total_ms:.3f} ms an inference{inferences}"
    if profile.named is None:
        return f"{together}: the profiler timed nothing"
    copies = sum(row.share for row in profile.layers if row.kind == "copy")
    return f"{together}; {100 * profile.named:.1f} % of it has names of the network, {100 * copies:.1f} % is copies"
