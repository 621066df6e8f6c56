"""What the command line prints for people: a table for each kind of answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.cli.printing import table_of, write, write_notes
from engine.spec.images import domains
from engine.storage.records import remarks
from engine.storage.records.event import Attempts
from engine.storage.records.measurement import Latency
from engine.storage.records.point import Point
from engine.storage.records.status import Status
from engine.units import duration, si
from engine.words import count


def models(entries: Sequence[Mapping[str, Any]]) -> None:
    table = table_of("model", "input", ">params", ">MACs", ">removable blocks")
    for m in entries:
        if "error" in m:
            table.add_row(m["name"], "cannot be built", "", "", "")
            continue
        removable = sum(block["removable"] for block in m["blocks"])
        size = "×".join(map(str, m["input"]))
        table.add_row(m["name"], size, si(m["params"]), si(m["macs"]), f"{removable} of {len(m['blocks'])}")
    write(table)


def network(entry: Mapping[str, Any]) -> None:
    size = "×".join(map(str, entry["input"]))
    write(f"{entry['name']}: {si(entry['params'])} params, {si(entry['macs'])} MACs at {size}, from {entry['path']}")


def removed_network(entry: Mapping[str, Any]) -> None:
    write(f"{entry['name']} is off your list; its file and its runs stay")


def timm_models(entries: Sequence[Mapping[str, Any]]) -> None:
    table = table_of("model", "file of timm")
    for m in entries:
        table.add_row(m["name"], m["family"])
    write(table)


def findings(document: Mapping[str, Any]) -> None:
    entries = document["findings"]
    if not entries:
        write(f"nothing is wrong with {document['results']}")
        return
    for entry in entries:
        if entry["fixed"]:
            end = " (mended)"
        elif entry["refusal"] is not None:
            end = f" (not mended: {entry['refusal']})"
        else:
            end = " (--fix mends it)" if entry["fixable"] else ""
        write(f"{entry['kind']}: {entry['where']}: {entry['sentence']}{end}")


def gpu(document: Mapping[str, Any]) -> None:
    write(document["gpu"] or "no GPU that torch can use; runs go on the CPU")


def estimate(document: Mapping[str, Any]) -> None:
    runs = "1 run" if document["runs"] == 1 else f"{document['runs']} runs, one after the other"
    more = "; what is attempted step by step comes on top" if document["more"] else ""
    speed = document["speed"]
    write(f"about {duration(document['seconds'])} for {runs}{more}")
    write(
        f"measured on {speed['device']}, {speed['threads']} threads: {1000 * speed['train']:.3g} ms an image in "
        f"training, {1000 * speed['evaluate']:.3g} ms in a forward pass"
    )


def datasets(entries: Sequence[Mapping[str, Any]]) -> None:
    table = table_of("dataset", "image", ">classes", "what")
    for d in entries:
        size = "×".join(map(str, d["image"])) if d["image"] else "any"
        table.add_row(d["name"], size, str(d["classes"] or "any"), d["summary"])
    write(table)


def criteria(entries: Sequence[Mapping[str, Any]]) -> None:
    table = table_of("criterion", "score of channel c", "looks at", "source")
    for c in entries:
        table.add_row(c["name"], c["formula"], c["needs"], c["source"])
    write(table)


def summary(structure: Mapping[str, Any]) -> None:
    table = table_of("layer", "kind", ">width", ">positions", "block")
    block_of = {layer: b["name"] for b in structure["blocks"] for layer in b["layers"]}
    for layer in structure["layers"]:
        row = (layer["name"], layer["kind"], str(layer["width"]), str(layer["positions"]))
        table.add_row(*row, block_of.get(layer["name"], ""))
    write(table)
    write(f"{structure['model']}: {si(structure['params'])} params, {si(structure['macs'])} MACs")


def run(document: Mapping[str, Any]) -> None:
    status, spec = Status.from_json(document["status"]), document["spec"]
    write(f"{document['run_id']}  {status.state}  {status.message}")
    write(f"{spec['model']} on {spec['data']['name']}, {spec['criterion']}, {spec['order']}, seed {spec['seed']}")
    write_notes(document.get("notes", ()))
    if not document["points"]:
        return
    points = [Point.from_json(point) for point in document["points"]]
    carried_over = any(point.source_top1 is not None for point in points)
    accuracies = (">target top-1", ">source top-1") if carried_over else (">top-1",)
    columns = (">#", "after", ">asked", ">MACs", ">", ">params", ">", *accuracies, ">p50 ms", ">blocks out", "")
    table = table_of(*columns)
    table.columns[1].min_width = len("baseline")  # in one piece, however much stands beside it
    for point in points:
        at_chance = remarks.is_at_chance(point)
        table.add_row(
            str(point.point),
            _step_label(point),
            f"{point.keep:g}× {point.asked.metric}" if point.asked else "",
            si(point.macs),
            f"{point.got.macs:.3f}×",
            si(point.params),
            f"{point.got.params:.3f}×",
            *_accuracies(point, carried_over),
            _p50(point, points[0]),
            str(len(point.blocks_removed)),
            " ".join(
                filter(None, ("final" if point.final else "", remarks.NEAR_CHANCE if at_chance else "", _note(point)))
            ),
            style="red" if at_chance else None,
        )
    write(table)
    write_notes([point.note for point in points if point.answer is not None and point.note])
    for record in map(Attempts.from_json, document.get("attempts", ())):
        _attempts(record)


def _accuracies(point: Point, carried_over: bool) -> list[str]:
    """The top-1 that a point is drawn with, and that on the source where networks are carried over from one."""
    own = f"{point.val_top1:.1%} val." if point.top1 is None else f"{point.top1:.1%}"
    source = "" if point.source_top1 is None else f"{point.source_top1:.1%}"
    return [own, source] if carried_over else [own]


def _note(point: Point) -> str | None:
    """A point's note, but for the sentence on a search, which stands below the table."""
    return None if point.answer is not None else point.note


def _p50(point: Point, baseline: Point) -> str:
    """The point's time, and how often the baseline's it is where that is less."""
    if not point.latency:
        return ""
    ratio = remarks.slowdown(point, baseline)
    return f"{point.latency[0].p50_ms:.3f}" + ("" if ratio is None else f", {ratio:.2f}× baseline")


def decisions(document: Mapping[str, Any]) -> None:
    structure = document["summary"]
    write_notes(document.get("notes", ()))
    write(f"{structure['model']}: {si(structure['params'])} params, {si(structure['macs'])} MACs")


def _step_label(point: Point) -> str:
    if point.stage == "baseline":
        return "baseline"
    if point.is_try:
        return f"try {point.step}, {point.trajectory}"
    step = "" if point.step is None else f" step {point.step}"
    return f"{point.phase}{step}, {point.stage}"


def _attempts(record: Attempts) -> None:
    """What one step of an iterative method attempted: what hurts least first."""
    before = record.before.accuracy
    accuracy = "" if before is None else f", {before:.1%} before"
    write(f"\n{record.keep:g}×: {record.phase} step {record.step}, by {record.measure}{accuracy}")
    table = table_of("without", ">channels", ">saves", ">rise", ">top-1", ">images", "")
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
    write(table)


def runs(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        write("no runs yet; `espalier submit` starts one")
        return
    table = table_of("run", "state", ">%", "model", "data", "criterion", "order", ">seed")
    names = domains.shorten(r["data"] for r in entries if r["data"])
    for r in entries:
        order = f"{r['order']}, {r['grid']} × {r['grid']}" if r.get("kind") == "landscape" else r["order"]
        data = names[r["data"]].label if r["data"] else ""
        settings = (r["model"], data, r["criterion"], order, r["seed"])
        table.add_row(r["run_id"], r["state"], f"{100 * r['progress']:.0f}", *settings)
    write(table)


def scores(document: Mapping[str, Any]) -> None:
    if document["scope"] == "blocks":
        table = table_of("block", ">score", ">correct without it")
        for entry in document["scores"]:
            correct = f"{entry['correct']:,} of {entry['total']:,}" if "correct" in entry else ""
            table.add_row(entry["name"], f"{entry['score']:.4g}", correct)
    else:
        table = table_of("layer", ">channels", ">mean score", ">lowest", ">highest")
        for entry in document["scores"]:
            values = entry["score"]
            numbers = (sum(values) / len(values), min(values), max(values))
            table.add_row(entry["name"], str(len(values)), *(f"{number:.4g}" for number in numbers))
    write(table)


def run_ids(document: Mapping[str, Any]) -> None:
    for run_id in document["run_ids"]:
        write(run_id)


def state(document: Mapping[str, Any]) -> None:
    write(f"{document['run_id']}  {document['state']}")


def counts(document: Mapping[str, Any]) -> None:
    write(" · ".join(f"{number} {name}" for name, number in document.items()))


def index_size(document: Mapping[str, Any]) -> None:
    write(f"runs in the index: {document['runs']}")


def cleaning(document: Mapping[str, Any]) -> None:
    counts = f"{document['files']:,} files of {len(document['runs']):,} runs, {si(document['bytes'], 'B')}"
    upload = f"{count(len(document['uploads']), 'upload')} that no run names"
    more = (("upload_bytes", upload), ("cache_bytes", "what runs share"), ("deleted_bytes", "what was deleted"))
    others = "".join(f"; and {what}, {si(document[key], 'B')}" for key, what in more if document[key])
    if document["removed"]:
        write(f"removed {counts}{others}")
    else:
        write(f"would remove {counts}{others}; --yes does it")
    if document["sweep_under_way"]:
        write("a sweep is under way, which may need uploads and weights: those stay until it has ended")


def output_file(document: Mapping[str, Any]) -> None:
    write(f"{document['out']}: {document['bytes']:,} bytes")
    write_notes(document.get("notes", ()))


def latency(document: Mapping[str, Any]) -> None:
    record = Latency.from_json(document["latency"])
    percentiles = (("p90", record.p90_ms), ("p99", record.p99_ms))
    tail = "".join(f", {name} {value:.3f} ms" for name, value in percentiles if value is not None)
    threads = count(record.threads, "thread")
    write(f"p50 {record.p50_ms:.3f} ms{tail}  ({record.provider}, {threads}, batch {record.batch}, n = {record.n})")
    write_notes(document.get("notes", ()))
