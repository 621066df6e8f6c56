"""What the command line prints for people: a table for each kind of answer."""

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.boards.sanitize import printable
from engine.storage.records.event import Attempts, TurnEvent
from engine.storage.records.measurement import Latency, Measurement
from engine.storage.records.point import Point
from engine.storage.records.status import Status
from engine.units import si

LONGEST_CELL, LONGEST_LINE = 200, 1000  # characters
WIDTH = 100  # columns, where no terminal says how many it has
# How the names of numbers end → how they are written.
_UNITS: Mapping[str, Callable[[float], str]] = {
    "_bytes": lambda value: si(value, "B"),
    "_hz": lambda value: si(value, "Hz"),
    "_mw": lambda value: f"{value:,.0f} mW",
    "_s": lambda value: f"{value:,.0f} s",
}


def models(entries: Sequence[Mapping[str, Any]]) -> None:
    table = _table("model", "input", ">params", ">MACs", ">removable blocks")
    for m in entries:
        removable = sum(block["removable"] for block in m["blocks"])
        size = "×".join(map(str, m["input"]))
        table.add_row(m["name"], size, si(m["params"]), si(m["macs"]), f"{removable} of {len(m['blocks'])}")
    _print(table)


def findings(document: Mapping[str, Any]) -> None:
    entries = document["findings"]
    if not entries:
        _print(f"nothing is wrong with {document['results']}")
        return
    for entry in entries:
        if entry["fixed"]:
            end = " (mended)"
        elif entry["refusal"] is not None:
            end = f" (not mended: {entry['refusal']})"
        else:
            end = " (--fix mends it)" if entry["fixable"] else ""
        _print(f"{entry['kind']}: {entry['where']}: {entry['sentence']}{end}")


def datasets(entries: Sequence[Mapping[str, Any]]) -> None:
    table = _table("dataset", "image", ">classes", "what")
    for d in entries:
        size = "×".join(map(str, d["image"])) if d["image"] else "any"
        table.add_row(d["name"], size, str(d["classes"] or "any"), d["summary"])
    _print(table)


def criteria(entries: Sequence[Mapping[str, Any]]) -> None:
    table = _table("criterion", "score of channel c", "looks at", "source")
    for c in entries:
        table.add_row(c["name"], c["formula"], c["needs"], c["source"])
    _print(table)


def summary(structure: Mapping[str, Any]) -> None:
    table = _table("layer", "kind", ">width", ">positions", "block")
    block_of = {layer: b["name"] for b in structure["blocks"] for layer in b["layers"]}
    for layer in structure["layers"]:
        row = (layer["name"], layer["kind"], str(layer["width"]), str(layer["positions"]))
        table.add_row(*row, block_of.get(layer["name"], ""))
    _print(table)
    _print(f"{structure['model']}: {si(structure['params'])} params, {si(structure['macs'])} MACs")


def run(document: Mapping[str, Any]) -> None:
    status, spec = Status.from_json(document["status"]), document["spec"]
    _print(f"{document['run_id']}  {status.state}  {status.message}")
    _print(f"{spec['model']} on {spec['data']['name']}, {spec['criterion']}, {spec['order']}, seed {spec['seed']}")
    if not document["points"]:
        return
    columns = (">#", "after", ">asked", ">MACs", ">", ">params", ">", ">top-1", ">p50 ms", ">blocks out", "")
    table = _table(*columns)
    for point in map(Point.from_json, document["points"]):
        table.add_row(
            str(point.point),
            _step_label(point),
            f"{point.keep:g}× {point.asked.metric}" if point.asked else "",
            si(point.macs),
            f"{point.got.macs:.3f}×",
            si(point.params),
            f"{point.got.params:.3f}×",
            f"{point.top1:.1%}",
            f"{point.latency[0].p50_ms:.3f}" if point.latency else "",
            str(len(point.blocks_removed)),
            " ".join(filter(None, ("final" if point.final else "", point.note))),
        )
    _print(table)
    for record in map(Attempts.from_json, document.get("attempts", ())):
        _attempts(record)


def _step_label(point: Point) -> str:
    if point.stage == "baseline":
        return "baseline"
    step = "" if point.step is None else f" step {point.step}"
    return f"{point.phase}{step}, {point.stage}"


def _attempts(record: Attempts) -> None:
    """What one step of an iterative method attempted: what hurts least first."""
    before = record.before.accuracy
    accuracy = "" if before is None else f", {before:.1%} before"
    _print(f"\n{record.keep:g}×: {record.phase} step {record.step}, by {record.measure}{accuracy}")
    table = _table("without", ">channels", ">saves", ">rise", ">top-1", ">images", "")
    for attempt in sorted(record.attempts, key=lambda a: (not a.selected, a.rise)):
        table.add_row(
            attempt.name,
            str(attempt.channels or "all"),
            f"{attempt.saved:.2%}",
            f"{attempt.rise:.4f}",
            "" if attempt.accuracy is None else f"{attempt.accuracy:.1%}",
            "" if attempt.total is None else str(attempt.total),
            "removed" if attempt.selected else "",
        )
    _print(table)


def runs(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        _print("no runs yet; `espalier submit` starts one")
        return
    table = _table("run", "state", ">%", "model", "data", "criterion", "order", ">seed")
    for r in entries:
        name = r["data"] or ""
        data = name if len(name) <= 16 else "…" + name[-15:]
        settings = (r["model"], data, r["criterion"], r["order"], r["seed"])
        table.add_row(r["run_id"], r["state"], f"{100 * r['progress']:.0f}", *settings)
    _print(table)


def scores(document: Mapping[str, Any]) -> None:
    if document["scope"] == "blocks":
        table = _table("block", ">score", ">correct without it")
        for entry in document["scores"]:
            correct = f"{entry['correct']:,} of {entry['total']:,}" if "correct" in entry else ""
            table.add_row(entry["name"], f"{entry['score']:.4g}", correct)
    else:
        table = _table("layer", ">channels", ">mean score", ">lowest", ">highest")
        for entry in document["scores"]:
            values = entry["score"]
            numbers = (sum(values) / len(values), min(values), max(values))
            table.add_row(entry["name"], str(len(values)), *(f"{number:.4g}" for number in numbers))
    _print(table)


def run_ids(document: Mapping[str, Any]) -> None:
    for run_id in document["run_ids"]:
        _print(run_id)


def state(document: Mapping[str, Any]) -> None:
    _print(f"{document['run_id']}  {document['state']}")


def counts(document: Mapping[str, Any]) -> None:
    _print(" · ".join(f"{number} {name}" for name, number in document.items()))


def index_size(document: Mapping[str, Any]) -> None:
    _print(f"runs in the index: {document['runs']}")


def output_file(document: Mapping[str, Any]) -> None:
    _print(f"{document['out']}: {document['bytes']:,} bytes")


def latency(document: Mapping[str, Any]) -> None:
    record = Latency.from_json(document["latency"])
    percentiles = (("p90", record.p90_ms), ("p99", record.p99_ms))
    tail = "".join(f", {name} {value:.3f} ms" for name, value in percentiles if value is not None)
    threads = "1 thread" if record.threads == 1 else f"{record.threads} threads"
    _print(f"p50 {record.p50_ms:.3f} ms{tail}  ({record.provider}, {threads}, batch {record.batch}, n = {record.n})")


def devices(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        _print("no devices yet; `espalier device add NAME user@host` adds one")
        return
    table = _table("device", "target", "through")
    for d in entries:
        table.add_row(d["name"], d["target"], d["jump"] or "")
    _print(table)


def device_added(document: Mapping[str, Any]) -> None:
    _print(f"{document['name']} is {document['target']}; `espalier device trust {document['name']}` comes next")


def device_removed(document: Mapping[str, Any]) -> None:
    _print(f"{document['name']} is forgotten; what was measured on it stays")


def host_key(address: str, key_type: str, fingerprint: str, previous: str | None) -> None:
    """Before the question whether to trust a key: on stderr, as it is no answer."""
    lines = [f"{address} shows the {key_type} key {fingerprint}"]
    if previous is not None:
        lines.append(
            f"IT HAS CHANGED: until now it was {previous}; a reinstalled host does that, and so does an impostor"
        )
    file = f"/etc/ssh/ssh_host_{key_type.removeprefix('ssh-').split('-')[0]}_key.pub"
    lines.append(f"on that host itself, `ssh-keygen -lf {file}` shows it")
    print("\n".join(lines), file=sys.stderr)


def key_trusted(document: Mapping[str, Any]) -> None:
    state = "was trusted already" if document["state"] == "known" else "is trusted from now on"
    _print(f"{document['name']}: {document['key_type']} {document['fingerprint']} {state}")


def probe(document: Mapping[str, Any]) -> None:
    table = _table("what", "this device")
    for name, value in document.items():
        if name == "time":  # its clock, in seconds since 1970
            continue
        table.add_row(_unit(name)[0], _plain(value, _unit(name)[1]))
    _print(table)


def _unit(name: str) -> tuple[str, Callable[[float], str]]:
    """The name without its unit, and how a number of that unit is written."""
    for ending, form in _UNITS.items():
        if name.endswith(ending):
            return name.removesuffix(ending), form
    return name, str


def _plain(value: Any, number: Callable[[float], str] = str) -> str:
    """A value of a JSON document on one line."""
    if isinstance(value, Mapping):
        items = ((*_unit(key), item) for key, item in value.items())
        return ", ".join(f"{key} {_plain(item, number if form is str else form)}" for key, form, item in items)
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item, number) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return "–" if value is None else str(value)


def timings(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        _print("no timings yet; `espalier device time` makes one")
        return
    table = _table("timing", "state", ">%", "device", "precision", "points")
    for t in entries:
        points = ", ".join(f"{point['run']}.{point['point']}" for point in t["points"])
        table.add_row(t["job_id"], t["state"], f"{100 * t['progress']:.0f}", t["device"], t["precision"], points)
    _print(table)


def timing(document: Mapping[str, Any]) -> None:
    status, request = Status.from_json(document["status"]), document["spec"]
    _print(f"{document['job_id']}  {status.state}: {status.message}")
    _print(f"on {request['device']} in {request['precision']}, {request['rounds']} rounds of {request['seconds']:g} s")
    table = _table("network", ">round", ">p50 ms", ">n")
    for turn in map(TurnEvent.from_json, document["turns"]):
        table.add_row(turn.model, str(turn.round), f"{turn.p50_ms:.3f}", str(turn.n))
    if document["turns"]:
        _print(table)


def timing_queued(document: Mapping[str, Any]) -> None:
    _print(document["job_id"])


def measurements(document: Mapping[str, Any]) -> None:
    table = _table("run", ">#", "by", ">p50 ms", ">p90 ms", ">p99 ms", ">GPU ms", ">mW", ">mJ", ">n", "")
    for line in document["measurements"]:
        m = Measurement.from_json(line)
        table.add_row(
            *(line["run_id"], str(m.point), f"{m.tool} {m.version} {m.precision}"),
            *("" if ms is None else f"{ms:.3f}" for ms in (m.p50_ms, m.p90_ms, m.p99_ms, m.gpu_p50_ms)),
            *("" if value is None else f"{value:.4g}" for value in (m.power_mw, m.energy_mj)),
            *(str(m.n), "throttled" if m.throttled else ""),
        )
    _print(table)


class _Table(Table):
    """A table whose cells are what somebody else may have written: as they are, cut, and without control codes."""

    def add_row(self, *cells: object) -> None:  # type: ignore[override]
        super().add_row(*("" if cell is None else _cut(str(cell), LONGEST_CELL) for cell in cells))


def _cut(text: str, most: int) -> str:
    line = printable(" ".join(text[: 4 * most].split()), most + 1)
    return line if len(line) <= most else line[: most - 1] + "…"


def _table(*columns: str) -> _Table:
    table = _Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        is_number = column.startswith(">")
        # Names in the first column are for copying, so they stay in one piece.
        table.add_column(
            column.removeprefix(">"), justify="right" if is_number else "left", overflow="fold", no_wrap=number == 0
        )
    return table


def _print(content: _Table | str) -> None:
    """Rendered first and then written in one piece, so that whoever reads us meets no half of it."""
    terminal = sys.stdout.isatty()
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=None if terminal else WIDTH, emoji=False)
    if isinstance(content, str):
        content = "\n".join(_cut(line, LONGEST_LINE) for line in content.split("\n"))
    console.print(content, highlight=False, markup=False, soft_wrap=isinstance(content, str))
    sys.stdout.write("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")
