"""What the command line prints for people of devices, and of what was timed on them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.cli.printing import table_of, write
from engine.storage.records.event import TurnEvent
from engine.storage.records.measurement import Measurement
from engine.storage.records.status import Status
from engine.units import si

# How the names of numbers end → how they are written.
_UNITS: Mapping[str, Callable[[float], str]] = {
    "_bytes": lambda value: si(value, "B"),
    "_hz": lambda value: si(value, "Hz"),
    "_mw": lambda value: f"{value:,.0f} mW",
    "_s": lambda value: f"{value:,.0f} s",
}


def devices(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        write("no devices yet; `espalier device add NAME user@host` adds one")
        return
    table = table_of("device", "target", "through")
    for d in entries:
        table.add_row(d["name"], d["target"], d["jump"] or "")
    write(table)


def device_added(document: Mapping[str, Any]) -> None:
    write(f"{document['name']} is {document['target']}; `espalier device trust {document['name']}` comes next")


def device_removed(document: Mapping[str, Any]) -> None:
    write(f"{document['name']} is forgotten; what was measured on it stays")


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
    write(f"{document['name']}: {document['key_type']} {document['fingerprint']} {state}")


def probe(document: Mapping[str, Any]) -> None:
    table = table_of("what", "this device")
    for name, value in document.items():
        if name == "time":  # its clock, in seconds since 1970
            continue
        table.add_row(_unit(name)[0], _plain(value, _unit(name)[1]))
    write(table)


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
        write("no timings yet; `espalier device time` makes one")
        return
    table = table_of("timing", "state", ">%", "device", "precision", "points")
    for t in entries:
        points = ", ".join(f"{point['run']}.{point['point']}" for point in t["points"])
        table.add_row(t["job_id"], t["state"], f"{100 * t['progress']:.0f}", t["device"], t["precision"], points)
    write(table)


def timing(document: Mapping[str, Any]) -> None:
    status, request = Status.from_json(document["status"]), document["spec"]
    write(f"{document['job_id']}  {status.state}: {status.message}")
    write(f"on {request['device']} in {request['precision']}, {request['rounds']} rounds of {request['seconds']:g} s")
    table = table_of("network", ">round", ">p50 ms", ">n")
    for turn in map(TurnEvent.from_json, document["turns"]):
        table.add_row(turn.model, str(turn.round), f"{turn.p50_ms:.3f}", str(turn.n))
    if document["turns"]:
        write(table)


def timing_queued(document: Mapping[str, Any]) -> None:
    write(document["job_id"])


def measurements(document: Mapping[str, Any]) -> None:
    table = table_of("run", ">#", "by", ">p50 ms", ">p90 ms", ">p99 ms", ">GPU ms", ">mW", ">mJ", ">n", "")
    records = [Measurement.from_json(line) for line in document["measurements"]]
    for line, m in zip(document["measurements"], records, strict=True):
        table.add_row(
            *(line["run_id"], str(m.point), f"{m.tool} {m.version} {m.precision}"),
            *("" if ms is None else f"{ms:.3f}" for ms in (m.p50_ms, m.p90_ms, m.p99_ms, m.gpu_p50_ms)),
            *("" if m.power_mw is None else f"{m.power_mw:.0f}", "" if m.energy_mj is None else f"{m.energy_mj:.4g}"),
            *(str(m.n), "throttled" if m.throttled else ""),
        )
    write(table)
    for note in dict.fromkeys(note for each in records if (note := _power_note(each))):
        write(note)


def _power_note(measurement: Measurement) -> str:
    """What the power is of, or why there is none; nothing for a timing of a version that did not note it."""
    if measurement.why_no_power:
        return f"no power: {measurement.why_no_power}"
    return f"power: {measurement.power_rail}" if measurement.power_rail else ""
