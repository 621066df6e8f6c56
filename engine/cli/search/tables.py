"""What `search` prints for people: a forecast, and what was found."""

from collections.abc import Mapping
from typing import Any

from engine.cli.printing import table_of, write
from engine.units import duration, si
from engine.words import count

_HEADINGS = {"macs": "MACs", "params": "params", "latency": "latency"}


def forecast(document: Mapping[str, Any]) -> None:
    """What would be done."""
    trials, runs = document["trials"] - document["done"], document["recover"] - document["recovered"]
    write(
        f"{document['name']}: {count(document['trials'], 'trial')}, {document['done']:,} done; "
        f"{document['recover']:,} trained on, {document['recovered']:,} of them done"
    )
    if document["seconds"]:
        training = f"{count(runs, 'run')} of {duration(document['run_seconds'])} each" if runs else "no run"
        write(
            f"about {duration(document['seconds'])}: {count(trials, 'trial')} of {duration(document['trial_seconds'])} "
            f"each, then {training}, {document['at_once']:,} at once"
        )


def ended(document: Mapping[str, Any]) -> None:
    """What was found: the front, a line for each network."""
    failures = document["failures"]
    failed = f", {len(failures):,} failed" if failures else ""
    write(
        f"{document['name']}: {document['trials']:,} of {count(document['asked'], 'trial')}, {document['feasible']:,} "
        f"within constraints, {document['recovered']:,} trained on{failed}"
    )
    if document["front"]:
        _front(document)
    for failure in failures:
        write(f"{failure['run_id']} failed: {failure['error']}")
    write(f"all trials: optuna-dashboard sqlite:///{document['file']}")


def _front(document: Mapping[str, Any]) -> None:
    trained, costs = "point" in document["front"][0], document["costs"]
    table = table_of(
        "point" if trained else "trial", *(f">{_HEADINGS[cost]}" for cost in costs), ">validation", ">test", "settings"
    )
    for each in document["front"]:
        settings = ", ".join(f"{name.rpartition('.')[2]} {_shown(value)}" for name, value in each["settings"].items())
        table.add_row(
            each["point"] if trained else each["trial"],
            *(f"{each[cost]:.3g} ms" if cost == "latency" else si(each[cost]) for cost in costs),
            f"{each['val_top1']:.1%}",
            f"{each['top1']:.1%}" if trained else "",
            settings,
        )
    write(table)


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else {True: "yes", False: "no", None: "-"}.get(value, str(value))


def cancelled(document: Mapping[str, Any]) -> None:
    """What --cancel did."""
    was = "stopped" if document["stopped"] else "was not under way"
    runs = count(document["cancelled"], "run")
    write(f"{document['name']} {was}; {runs} cancelled, the same command goes on from there")
