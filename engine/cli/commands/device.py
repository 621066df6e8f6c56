"""Devices: the boards that networks are timed on over SSH."""

import getpass
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import device_tables, layer_tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, RunId, store_in, store_to_read
from engine.cli.progress import show_progress
from engine.errors import RequestError, WorkError
from engine.spec import board_timing, messages
from engine.spec.flags import Arguments, with_timing_flags
from engine.spec.ids import RUN_ID
from engine.storage.records.status import ENDED
from engine.storage.store import Store
from engine.storage.timings.job import Timing

if TYPE_CHECKING:
    from engine.boards.ssh.trust import HostKey

app = typer.Typer(help="Boards that networks are timed on over SSH.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="a device's name, as `device list` shows them")]
AskPassword = Annotated[
    bool, typer.Option("--ask-password", help="log in with a password, which is asked for and kept nowhere")
]


@app.command("list")
def list_(results: Results = RESULTS, as_json: Json = False) -> None:
    """The devices that were added."""
    from engine.boards.registry import Registry

    devices = Registry(store_in(results).root).all()
    answer([{"name": d.name, "target": d.target, "jump": d.jump} for d in devices], as_json, device_tables.devices)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="what to call it: letters, digits, - and _")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="[ssh://][user@]host[:port], or a name from ~/.ssh/config")
    ],
    jump: Annotated[str | None, typer.Option("--jump", help="[user@]host[:port] to go through")] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Add a device; nothing is connected to yet."""
    from engine.boards.registry import Registry, parse

    store = store_in(results)
    store.prepare()
    device = parse(name, target, jump)
    Registry(store.root).add(device)
    answer({"name": device.name, "target": device.target, "jump": device.jump}, as_json, device_tables.device_added)


@app.command()
def remove(name: Name, results: Results = RESULTS, as_json: Json = False) -> None:
    """Forget a device; what was measured on it stays."""
    from engine.boards.registry import Registry
    from engine.jobs.queue import Queue

    store = store_in(results)
    Queue(store).refuse_while_timed(name)
    Registry(store.root).remove(name)
    answer({"name": name, "removed": True}, as_json, device_tables.device_removed)


@app.command()
def timings(results: Results = RESULTS, as_json: Json = False) -> None:
    """All timings, newest first; `show`, `cancel`, `resume` and `delete` take their ids as they take those of runs."""
    from engine.jobs.worker import replace_lost

    store = store_to_read(results)
    replace_lost(store)
    answer(store.timings(), as_json, device_tables.timings)


@app.command()
def show(
    name_or_id: Annotated[
        str, typer.Argument(metavar="TIMING", help="a timing's id, or a device's name: the last one on it")
    ],
    layers: Annotated[bool, typer.Option("--layers", help="what every layer of its networks took")] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """One timing: how it stands and its turns, or with --layers what every layer of its networks took."""
    from engine.cli.commands.runs import timing_document
    from engine.jobs.worker import replace_lost

    store = store_to_read(results)
    replace_lost(store)
    timing = _timing(store, name_or_id)
    document = timing_document(timing)
    if not layers:
        answer(document, as_json, device_tables.timing)
        return
    profiles = [profile.to_json() for profile in timing.layers()]
    if not profiles:
        raise RequestError(_without_layers(timing))
    answer(document | {"layers": profiles}, as_json, layer_tables.layers)


def _timing(store: Store, name_or_id: str) -> Timing:
    """The timing of that id, or the last one on the device of that name."""
    if not re.fullmatch(RUN_ID, name_or_id):
        for entry in store.timings():
            if entry["device"] == name_or_id:
                return store.timing(entry["job_id"])
        raise RequestError(
            f"nothing was timed on {messages.quote(name_or_id)}; `espalier device timings` lists all timings"
        )
    return store.timing(name_or_id)


def _without_layers(timing: Timing) -> str:
    if timing.observed_status().state not in ENDED:
        return f"timing {timing.id} has not come to its layers yet, which it times last of all; look again when it has"
    return f"timing {timing.id} timed no layers; `espalier device time` with --layers times its points again"


@app.command()
def trust(
    name: Name,
    fingerprints: Annotated[
        list[str] | None,
        typer.Option("--fingerprint", help="the SHA256:… that the board itself shows, instead of a question"),
    ] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Show a device's host key and, with your consent, trust it from now on; those of hosts on the way come first."""
    from engine.boards.registry import Registry
    from engine.boards.ssh import trust as keys

    root = store_in(results).root
    device = Registry(root).get(name)
    while True:
        host_key = keys.fetch_host_key(device, root)
        if host_key.state != "known":
            _confirm_key(host_key, fingerprints)
            keys.accept(root, host_key)
        if not host_key.jump:
            break
    document = {
        "name": name,
        "key_type": host_key.key_type,
        "fingerprint": host_key.fingerprint,
        "state": host_key.state,
    }
    answer({**document, "trusted": True}, as_json, device_tables.key_trusted)


@app.command()
def probe(name: Name, ask_password: AskPassword = False, results: Results = RESULTS, as_json: Json = False) -> None:
    """What a device is, and how it stands: software, power mode, clocks, temperatures, free memory and disk."""
    from engine.boards.agent import session
    from engine.boards.registry import Registry

    root = store_in(results).root
    report = session.probe(Registry(root).get(name), root, _password(name, ask_password))
    answer(report.as_json(), as_json, device_tables.probe)


@app.command()
@with_timing_flags
def time(
    *,
    name: Name,
    run_id: RunId,
    points: Annotated[list[int], typer.Option("--point", help="the point's number; may be given several times")],
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="ID.N", help="a point of another run, to take turns with")
    ] = None,
    settings: Arguments,
    queue: Annotated[bool, typer.Option("--queue", help="leave it to the worker, and print the timing's id")] = False,
    ask_password: AskPassword = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Time points of a run on a device; several take turns, so that drift does not decide."""
    from engine.boards import timing_job

    store = store_in(results)
    networks = [{"run": run_id, "point": point} for point in points] + [_other(text) for text in also or ()]
    request = board_timing.parse({"device": name, "points": networks, **settings})
    timing_job.check_request(request, store)
    if queue:
        if ask_password:
            raise RequestError("a queued timing has nobody to ask for a password; leave out --queue, or use a key")
        _submit(store, request, as_json)
        return
    password = _password(name, ask_password)
    timing = store.create_timing(request, foreground=True)
    _execute(timing, lambda spec, job: timing_job.run(spec, job, password))
    answer(_document(store, timing, request), as_json, device_tables.measurements)
    if not as_json:
        layer_tables.where_layers_are(timing.id, timing.layers())


def _submit(store: Store, request: board_timing.TimingRequest, as_json: bool) -> None:
    from engine.jobs.queue import Queue
    from engine.jobs.worker import start_detached

    timing = Queue(store).submit_timing(request)
    start_detached(store)
    answer({"job_id": timing.id, "state": "queued"}, as_json, device_tables.timing_queued)


def _execute(timing: Timing, work: Any) -> None:
    from engine.jobs.child import execute

    with show_progress(timing):
        state = execute(timing, work)
    if state != "done":
        raise WorkError(f"timing {timing.id}: {timing.status().message}")


def _document(store: Store, timing: Timing, request: board_timing.TimingRequest) -> dict[str, Any]:
    measurements = [
        {"run_id": run_id, **measurement.to_json()}
        for run_id in dict.fromkeys(point.run for point in request.points)
        for measurement in store.run(run_id).measurements()
        if measurement.job == timing.id
    ]
    return {"job_id": timing.id, "state": "done", "measurements": measurements}


def _other(text: str) -> dict[str, Any]:
    run_id, dot, number = text.rpartition(".")
    if not dot or not re.fullmatch("[0-9]{1,6}", number):
        raise RequestError(f"--also takes a run and a point, such as 20260131-095959-0a1b2c3d.4 (got {text!r})")
    return {"run": run_id, "point": int(number)}


def _password(name: str, ask_password: bool) -> str | None:
    if not ask_password:
        return None
    if not sys.stdin.isatty():
        raise RequestError("--ask-password needs a terminal to ask on; use a key or an agent instead")
    return getpass.getpass(f"password for {name}: ")


def _confirm_key(host_key: "HostKey", accepted: list[str] | None) -> None:
    """RequestError unless the key is one of the `accepted` fingerprints or the person confirms it."""
    fingerprint = host_key.fingerprint
    address = f"{host_key.host}:{host_key.port}" + (f", on the way to {host_key.board}," if host_key.jump else "")
    change = f" INSTEAD OF {host_key.known}, which was trusted until now" if host_key.known else ""
    if accepted:
        if fingerprint not in accepted:
            raise RequestError(
                f"{address} shows {fingerprint}{change} and not {' or '.join(accepted)}; it was not trusted"
            )
        return
    if not sys.stdin.isatty():
        raise RequestError(
            f"{address} shows the key {fingerprint}{change}; compare it with what `ssh-keygen -lf` prints on that host "
            f"itself, then run this again with --fingerprint {fingerprint}"
        )
    device_tables.host_key(address, host_key.key_type, fingerprint, host_key.known)
    if not typer.confirm("Is this its key?", err=True):
        raise RequestError("nothing was trusted")
