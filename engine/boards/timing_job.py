"""One timing from start to end: the board taken, networks sent and built, turns taken, the numbers brought back."""

import hashlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.boards import measurement, runtimes
from engine.boards.agent import session
from engine.boards.agent.probe import Probe
from engine.boards.onnx_support import check as fit
from engine.boards.registry import Registry
from engine.boards.sanitize import printable
from engine.errors import RequestError, WorkError
from engine.spec.board_timing import PointId, TimingRequest
from engine.stats import MIN_N_P99
from engine.storage.job_folder import Timing
from engine.storage.records import event
from engine.storage.records.measurement import Measurement
from engine.storage.store import Store

WAIT_SECONDS = 3.0  # between two looks whether the board is free
LEAST_SECONDS = 0.1  # of a turn, however little of the limit is left


@dataclass(frozen=True)
class Model:
    """A network to be timed: which point it is, its ONNX file here, and the file's SHA-256."""

    point: PointId
    file: Path
    digest: str
    image: tuple[int, int, int]


@dataclass
class Entrant:
    """A network on the board, and what its turns have brought so far."""

    model: Model
    path: str = ""  # of what is timed, on the board
    tool_seconds: float = 0.0  # that the tool took there, building and measuring
    turns: list[measurement.Turn] = field(default_factory=list)

    @property
    def samples(self) -> int:
        return sum(len(turn.samples_ms) for turn in self.turns)

    @property
    def seconds(self) -> float:
        return sum(turn.seconds for turn in self.turns)


def run(request: TimingRequest, job: Timing, password: str | None = None) -> None:
    """Does what a timing asks for, all or nothing: what was measured lies in the job's folder before it goes anywhere.

    A job that was stopped while the measurements went to their runs only finishes that.
    """
    started = time.monotonic()
    store = Store(job.root)
    if left := job.measured():
        _hand_over(store, job, left)
        return
    device = Registry(store.root).get(request.device)
    entrants = [Entrant(_model(store, point)) for point in request.points]
    _phase(job, "connecting", f"connecting to {device.target}", 0.0)
    with session.open_agent(device, store.root, password) as bench, _taken(bench, request, job) as (held, waited):
        job.keep_measured(_measured(held, entrants, request, job))
        _hand_over(store, job, job.measured())
    tools = sum(entrant.tool_seconds for entrant in entrants)
    own = time.monotonic() - started - waited() - tools
    job.append_event(event.Spent(tools=round(tools, 3), waiting=round(waited(), 3), own=round(own, 3)))


def _measured(
    bench: session.Agent, entrants: Sequence[Entrant], request: TimingRequest, job: Timing
) -> list[Measurement]:
    """The measurement of every network on a board that is taken."""
    before = bench.probe()
    job.append_event(event.Probed(probe=before.as_json()))
    runtime = runtimes.choose_runtime(before, request)
    bench.tidy([f"{entrant.model.digest}.onnx" for entrant in entrants])
    for entrant in entrants:
        file = entrant.model.file
        fit.refuse_unfit(file, tensorrt=runtime.tensorrt, onnxruntime=runtime.onnxruntime, jetson=before.jetson)
    _send(bench, entrants, job)
    _make(bench, runtime, entrants, job)
    _take_turns(bench, runtime, entrants, request, job)
    _phase(job, "leaving", "reading how the board stands now", 0.96)
    after = bench.probe()
    bench.check_held()
    _refuse_changed(request.device, before, after)
    occasion = measurement.Occasion(request.device, job.id, time.time(), before, after, len(entrants) - 1)
    how = runtime.how()
    return [measurement.merge_turns(entrant.model.point, entrant.turns, how, occasion) for entrant in entrants]


def _refuse_changed(device: str, before: Probe, after: Probe) -> None:
    """Somebody else at the board may set its power mode or clocks, which no lock of ours prevents."""
    modes = [None if probe.power_mode is None else probe.power_mode.name for probe in (before, after)]
    if modes[0] != modes[1]:
        raise WorkError(f"{device} went from power mode {modes[0]} to {modes[1]} while it was timed; time it again")
    if (before.clocks.locked, after.clocks.locked) in ((True, False), (False, True)):
        raise WorkError(f"the clocks of {device} were locked or unlocked while it was timed; time it again")


def _hand_over(store: Store, job: Timing, measurements: Sequence[Measurement]) -> None:
    """Every measurement to its run, once, however often this is begun."""
    deleted = []
    for each in measurements:
        line = replace(each, run=None)
        try:
            run = store.run(str(each.run))
        except RequestError:
            deleted.append(str(each.run))
            continue
        if line not in run.measurements():
            run.append_measurement(line)
    job.forget_measured()
    if deleted:
        raise WorkError(f"run {deleted[0]} was deleted while it was timed; what was measured of other runs is kept")


def check_request(request: TimingRequest, store: Store) -> None:
    """RequestError when the device or one of the networks is not there; before anything is queued."""
    Registry(store.root).get(request.device)
    for point in request.points:
        _file(store, point)


def _model(store: Store, point: PointId) -> Model:
    file = _file(store, point)
    return Model(point, file, hashlib.sha256(file.read_bytes()).hexdigest(), fit.image(file))


def _file(store: Store, point: PointId) -> Path:
    run = store.run(point.run)
    if point.point not in [each.point for each in run.points()]:
        raise RequestError(f"run {run.id} has no point {point.point}; `python -m engine show {run.id}` lists them")
    file = run.path / "models" / f"p{point.point}.onnx"
    if not file.is_file():
        raise RequestError(f"point {point.point} of run {run.id} comes without {file.name}, so it cannot be timed")
    return file


@contextmanager
def _taken(
    bench: session.Agent, request: TimingRequest, job: Timing
) -> Iterator[tuple[session.Agent, Callable[[], float]]]:
    """The board for this job alone, after as long a wait as was asked for, and the seconds that it waited."""
    started = time.monotonic()
    end, waits = started + request.wait, [0.0]

    def waiting(holder: Mapping[str, Any]) -> None:
        who = printable(str(holder.get("owner") or "another timing"), 200)
        if time.monotonic() > end:
            raise WorkError(
                f"{who} holds {request.device} and did not leave it within {request.wait:.0f} s; "
                "try again later, or end it"
            )
        _phase(job, "waiting", f"waiting for {request.device}, which {who} holds", 0.0)
        time.sleep(WAIT_SECONDS)
        waits[0] = time.monotonic() - started

    owner = f"timing {job.id} from {socket.gethostname()}"
    _phase(job, "waiting", f"taking {request.device}", 0.02)
    settings: dict[str, Any] = {"power_mode": request.power_mode, "max_clocks": request.max_clocks}
    with bench.held(owner, **settings, waiting=waiting, told=job.log) as (held, document):
        broke, restored, changed = (document.get(key) or None for key in ("broke", "restored", "changed"))
        job.append_event(event.Held(broke=broke, restored=restored, changed=changed))
        yield held, lambda: waits[0]


def _send(bench: session.Agent, entrants: Sequence[Entrant], job: Timing) -> None:
    for number, entrant in enumerate(entrants):
        model, each = entrant.model, 0.1 / len(entrants)
        begin = 0.05 + each * number
        _phase(job, "sending", f"sending {model.point} ({number + 1} of {len(entrants)})", begin)
        progress = partial(_sent, job, begin, each)
        sent = bench.send(model.file, _there(bench, model), sha256=model.digest, on_progress=progress)
        job.append_event(event.Sent(model=str(model.point), bytes=model.file.stat().st_size if sent else 0))


def _sent(job: Timing, begin: float, share: float, done: int, size: int) -> None:
    job.update(progress=round(begin + share * done / size, 4))


def _there(bench: session.Agent, model: Model) -> str:
    return f"{bench.board.folder}/models/{model.digest}.onnx"


def _make(bench: session.Agent, runtime: runtimes.Runtime, entrants: Sequence[Entrant], job: Timing) -> None:
    """What is timed of each network, which for TensorRT is an engine built on the board."""
    for number, entrant in enumerate(entrants):
        model, share = entrant.model, 0.35 * number / len(entrants)
        doing = "building the engine of" if runtime.tensorrt else "preparing"
        _phase(job, "building", f"{doing} {model.point} ({number + 1} of {len(entrants)})", 0.15 + share)
        made = runtime.make(bench, _there(bench, model), model.digest, model.image)
        entrant.path, entrant.tool_seconds = made.path, made.seconds
        job.append_event(event.Built(model=str(model.point), cached=made.cached, seconds=made.seconds))
        for line in made.warnings:
            job.log(f"{model.point}: {line}")


def _take_turns(
    bench: session.Agent, runtime: runtimes.Runtime, entrants: Sequence[Entrant], request: TimingRequest, job: Timing
) -> None:
    """Round after round, every network once in each; one round more for those that have too few samples for a p99."""
    for number in range(1, request.rounds + 2):
        due = [entrant for entrant in entrants if number <= request.rounds or _short(entrant, request)]
        for place, entrant in enumerate(due):
            done = (number - 1 + place / len(due)) / (request.rounds + 1)
            message = f"measuring {entrant.model.point}, round {number} of {request.rounds}"
            _phase(job, "measuring", message, 0.5 + 0.45 * done)
            left = request.rounds + 2 - number
            limit = max((request.limit - entrant.seconds) / left, LEAST_SECONDS)
            taken = runtime.turn(bench, entrant.path, entrant.model.image, _least(entrant, left, limit), limit)
            entrant.turns.append(taken.turn)
            entrant.tool_seconds += taken.seconds
            job.keep_samples(f"{entrant.model.point}-{number}", taken.document)
            n, p50 = len(taken.turn.samples_ms), measurement.p50(taken.turn.samples_ms)
            job.append_event(event.TurnEvent(model=str(entrant.model.point), round=number, n=n, p50_ms=p50))


def _least(entrant: Entrant, left: int, limit: float) -> int:
    """How many samples a turn is to bring at least: its share of what is missing, as far as its seconds allow."""
    if not entrant.turns:
        return measurement.FIRST_SAMPLES
    missing = -(-(MIN_N_P99 - entrant.samples) // left)
    affordable = int(limit * entrant.samples / entrant.seconds / 2)  # half of it, as a tool starts and warms up, too
    return max(measurement.FIRST_SAMPLES, min(missing, affordable))


def _short(entrant: Entrant, request: TimingRequest) -> bool:
    return entrant.samples < MIN_N_P99 and entrant.seconds < request.limit


def _phase(job: Timing, phase: str, message: str, progress: float) -> None:
    if job.status().message != message:
        job.update(phase=phase, message=message, progress=progress)
        job.append_event(event.PhaseEvent(phase=phase, message=message))
        job.log(message)
