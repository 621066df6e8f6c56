"""What `sweep` prints for people: a forecast, and how it ended."""

from collections.abc import Mapping
from typing import Any

from engine.cli.printing import table_of, write
from engine.units import duration, si
from engine.words import count


def forecast(document: Mapping[str, Any]) -> None:
    """What would be done."""
    left, begun = document["left"], document["begun"]
    parts = [f"{document['done']:,} done", f"{document['failed']:,} failed", f"{left:,} to do"]
    more = f", {begun:,} of them begun" if begun else ""
    write(f"{document['name']}: {count(document['total'], 'run')}, {', '.join(parts)}{more}")
    if not left:
        return
    threads = count(document["threads"], "thread")
    steps = "; what is attempted step by step comes on top" if document["more"] else ""
    speed = "" if document["on"] == "local" else " at the speed of this computer"
    write(f"about {duration(document['seconds'])}{speed}, {document['at_once']:,} at once with {threads} each{steps}")
    write(f"at most {si(document['bytes'], 'B')} of disk, of which {si(document['free_bytes'], 'B')} are free{steps}")


def ended(document: Mapping[str, Any]) -> None:
    """How it ended: counts, and a line for each run that failed."""
    counts = ", ".join(f"{document[key]:,} {key}" for key in ("done", "failed", "cancelled") if document[key])
    left = document["total"] - document["done"] - document["failed"] - document["cancelled"]
    rest = f", {left:,} left" if left else ""
    write(f"{document['name']}: {counts or 'nothing done'} of {document['total']:,}{rest}")
    if not document["failures"]:
        return
    table = table_of("failed", "why")
    for failure in document["failures"]:
        table.add_row(failure["run_id"], failure["error"])
    write(table)
    write("--retry-failed does these once more")


def cancelled(document: Mapping[str, Any]) -> None:
    """What --cancel did."""
    was = "stopped" if document["stopped"] else "was not under way"
    cancelled_runs = count(document["cancelled"], "run")
    write(f"{document['name']} {was}; {cancelled_runs} cancelled, the same command goes on from there")
