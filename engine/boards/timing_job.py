"""One timing from start to end: the board held, networks sent and built, rounds measured, the numbers brought back."""

import hashlib
import os
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
from engine.boards.layers.profile import profile_layers
from engine.boards.onnx_support import check as fit
from engine.boards.registry import Registry
from engine.boards.trtexec.failure import EngineRefused
from engine.errors import RequestError, WorkError
from engine.spec.board_timing import PointId, TimingRequest
from engine.statistics.samples import MIN_N_P99
from engine.storage import files
from engine.storage.records import event
from engine.storage.records.measurement import Measurement
from engine.storage.store import Store
from engine.storage.timings.job import Timing
from engine.texts import printable

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
class NetworkTiming:
    """A network on the board, and what its rounds have brought so far."""

    model: Model
    path: str = ""  # of what is timed, on the board
    tool_seconds: float = 0.0  # that the tool took there, building and measuring
    rounds: list[measurement.TimingRound] = field(default_factory=list)

    @property
    def samples(self) -> int:
        return sum(len(turn.samples_ms) for turn in self.rounds)

    @property
    def seconds(self) -> float:
        return sum(turn.seconds for turn in self.rounds)


def run(request: TimingRequest, job: Timing, password: str | None = None) -> None:
    """Does what a timing asks for, all or nothing: what was measured lies in the job's folder before it goes anywhere.

    A job that was stopped while the measurements went to their runs only finishes that.
    """
    started = time.monotonic()
    store = Store(job.root)
    if measured := job.pending_measurements():
        _hand_over(store, job, measured)
        return
    device = Registry(store.root).get(request.device)
    networks = [NetworkTiming(_model(store, point)) for point in request.points]
    _phase(job, "connecting", f"connecting to {device.target}", 0.0)
    with (
        session.open_agent(device, store.root, password) as agent,
        _hold_board(agent, request, job) as (holding_agent, waited),
    ):
        job.keep_pending(_measure_networks(holding_agent, networks, request, job))
        _hand_over(store, job, job.pending_measurements())
    tools = sum(network.tool_seconds for network in networks)
    own = time.monotonic() - started - waited() - tools
    job.append_event(event.DurationsEvent(tools=round(tools, 3), waiting=round(waited(), 3), own=round(own, 3)))


def _measure_networks(
    agent: session.Agent, networks: Sequence[NetworkTiming], request: TimingRequest, job: Timing
) -> list[Measurement]:
    """The measurement of every network on a board that is held."""
    before = agent.probe()
    job.append_event(event.ProbeEvent(probe=before.as_json()))
    runtime = runtimes.choose_runtime(before, request)
    agent.tidy([f"{network.model.digest}.onnx" for network in networks])
    for network in networks:
        file = network.model.file
        fit.refuse_unfit(file, tensorrt=runtime.tensorrt, onnxruntime=runtime.onnxruntime, jetson=before.jetson)
    _send(agent, networks, job)
    _prepare(agent, runtime, networks, job)
    _measure_rounds(agent, runtime, networks, request, job)
    _phase(job, "leaving", "reading how the board stands now", 0.96)
    after = agent.probe()
    agent.check_hold()
    _refuse_changed(request.device, before, after)
    occasion = measurement.Occasion(request.device, job.id, time.time(), before, after, len(networks) - 1)
    if request.layers:
        _profile(agent, runtime, networks, job)
    settings = runtime.settings()
    return [measurement.merge_rounds(each.model.point, each.rounds, settings, occasion) for each in networks]


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
    job.forget_pending()
    if deleted:
        raise WorkError(f"run {deleted[0]} was deleted while it was timed; what was measured of other runs is kept")


def check_request(request: TimingRequest, store: Store) -> None:
    """RequestError when the device or one of the networks is not there; before anything is queued."""
    Registry(store.root).get(request.device)
    for point in request.points:
        _file(store, point)


def _model(store: Store, point: PointId) -> Model:
    file = _file(store, point)
    return Model(point, file, _digest(file), fit.image_shape(file))


def _digest(file: Path) -> str:
    try:
        with files.opened(file) as descriptor, os.fdopen(os.dup(descriptor), "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise WorkError(f"cannot read {file}: {error.strerror or error}") from None


def _file(store: Store, point: PointId) -> Path:
    run = store.run(point.run)
    if point.point not in [each.point for each in run.points()]:
        raise RequestError(f"run {run.id} has no point {point.point}; `espalier show {run.id}` lists them")
    file = run.path / "models" / f"p{point.point}.onnx"
    if not file.is_file():
        raise RequestError(f"point {point.point} of run {run.id} comes without {file.name}, so it cannot be timed")
    return file


@contextmanager
def _hold_board(
    agent: session.Agent, request: TimingRequest, job: Timing
) -> Iterator[tuple[session.Agent, Callable[[], float]]]:
    """Holds the board for this job alone, after as long a wait as was requested; with the seconds that it waited."""
    started = time.monotonic()
    end, waits = started + request.wait, [0.0]

    def on_wait(holder: Mapping[str, Any]) -> None:
        who = _describe_holder(holder)
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
    with agent.hold(owner, **settings, on_wait=on_wait, on_restore_failure=job.log) as (holding_agent, document):
        broke, restored, changed = (document.get(key) or None for key in ("broke", "restored", "changed"))
        job.append_event(event.HoldEvent(broke=broke, restored=restored, changed=changed))
        yield holding_agent, lambda: waits[0]


def _describe_holder(holder: Mapping[str, Any]) -> str:
    """Who holds a board; the account is told where it is perhaps not ours, and its process where that says nothing."""
    account, process = printable(str(holder.get("account") or ""), 100), holder.get("pid")
    silent = f"process {process}" if account and isinstance(process, int) else "another timing"
    who = printable(str(holder.get("owner") or ""), 200) or silent
    return f"{who}, logged in as {account}," if account else who


def _send(agent: session.Agent, networks: Sequence[NetworkTiming], job: Timing) -> None:
    for number, network in enumerate(networks):
        model, each = network.model, 0.1 / len(networks)
        begin = 0.05 + each * number
        _phase(job, "sending", f"sending {model.point} ({number + 1} of {len(networks)})", begin)
        progress = partial(_sent, job, begin, each)
        sent = agent.send(model.file, _remote_path(agent, model), sha256=model.digest, on_progress=progress)
        job.append_event(event.TransferEvent(model=str(model.point), bytes=model.file.stat().st_size if sent else 0))


def _sent(job: Timing, begin: float, share: float, done: int, size: int) -> None:
    job.update(progress=round(begin + share * done / size, 4))


def _remote_path(agent: session.Agent, model: Model) -> str:
    return f"{agent.connection.folder}/models/{model.digest}.onnx"


def _prepare(agent: session.Agent, runtime: runtimes.Runtime, networks: Sequence[NetworkTiming], job: Timing) -> None:
    """What is timed of each network, which for TensorRT is an engine built on the board."""
    for number, network in enumerate(networks):
        model, share = network.model, 0.35 * number / len(networks)
        doing = "building the engine of" if runtime.tensorrt else "preparing"
        _phase(job, "building", f"{doing} {model.point} ({number + 1} of {len(networks)})", 0.15 + share)
        _prepare_one(agent, runtime, network, job)


def _prepare_one(agent: session.Agent, runtime: runtimes.Runtime, network: NetworkTiming, job: Timing) -> None:
    model = network.model
    artifact = runtime.prepare(agent, _remote_path(agent, model), model.digest, model.image)
    network.path = artifact.path
    network.tool_seconds += artifact.seconds
    job.append_event(event.BuildEvent(model=str(model.point), cached=artifact.cached, seconds=artifact.seconds))
    for line in artifact.warnings:
        job.log(f"{model.point}: {line}")


def _measure_rounds(
    agent: session.Agent,
    runtime: runtimes.Runtime,
    networks: Sequence[NetworkTiming],
    request: TimingRequest,
    job: Timing,
) -> None:
    """Round after round, every network once in each; one round more for those that have too few samples for a p99."""
    for number in range(1, request.rounds + 2):
        due = [network for network in networks if number <= request.rounds or _short(network, request)]
        for place, network in enumerate(due):
            done = (number - 1 + place / len(due)) / (request.rounds + 1)
            message = f"measuring {network.model.point}, round {number} of {request.rounds}"
            _phase(job, "measuring", message, 0.5 + 0.45 * done)
            left = request.rounds + 2 - number
            limit = max((request.limit - network.seconds) / left, LEAST_SECONDS)
            result = _measure_round(agent, runtime, network, job, _least(network, left, limit), limit)
            network.rounds.append(result.round)
            network.tool_seconds += result.seconds
            job.keep_samples(f"{network.model.point}-{number}", result.document)
            n, p50 = len(result.round.samples_ms), measurement.p50(result.round.samples_ms)
            job.append_event(event.TurnEvent(model=str(network.model.point), round=number, n=n, p50_ms=p50))


def _measure_round(
    agent: session.Agent, runtime: runtimes.Runtime, network: NetworkTiming, job: Timing, least: int, limit: float
) -> runtimes.RoundResult:
    """One round of a network; an engine that the board refuses, as after an update of its TensorRT, is built anew."""
    try:
        return runtime.measure(agent, network.path, network.model.image, least, limit)
    except EngineRefused as refusal:
        job.log(f"{network.model.point}: {refusal}; it is built anew")
    point, done = network.model.point, job.status().progress
    _phase(job, "building", f"building the engine of {point} anew", done)
    _prepare_one(agent, runtime, network, job)
    _phase(job, "measuring", f"measuring {point}, with the engine that was built anew", done)
    try:
        return runtime.measure(agent, network.path, network.model.image, least, limit)
    except EngineRefused as refusal:
        raise WorkError(
            f"{refusal}, and it was built anew just now: is TensorRT on the board installed whole?"
        ) from None


def _profile(agent: session.Agent, runtime: runtimes.Runtime, networks: Sequence[NetworkTiming], job: Timing) -> None:
    """What the layers of each network take; last of all, as the profiler slows every one of them."""
    for number, network in enumerate(networks):
        model, progress = network.model, 0.96 + 0.03 * number / len(networks)
        _phase(job, "profiling", f"timing the layers of {model.point} ({number + 1} of {len(networks)})", progress)
        profile, seconds = profile_layers(agent, runtime, model.point, model.file, network.path, model.image)
        network.tool_seconds += seconds
        job.keep_layers(profile)
        if profile.why is not None:
            job.log(f"{model.point}: no layer profile: {profile.why}")


def _least(network: NetworkTiming, left: int, limit: float) -> int:
    """How many samples a round is to bring at least: its share of what is missing, as far as its seconds allow."""
    if not network.rounds:
        return measurement.FIRST_SAMPLES
    missing = -(-(MIN_N_P99 - network.samples) // left)
    affordable = int(limit * network.samples / network.seconds / 2)  # half of it, as a tool starts and warms up, too
    return max(measurement.FIRST_SAMPLES, min(missing, affordable))


def _short(network: NetworkTiming, request: TimingRequest) -> bool:
    return network.samples < MIN_N_P99 and network.seconds < request.limit


def _phase(job: Timing, phase: str, message: str, progress: float) -> None:
    if job.status().message != message:
        job.update(phase=phase, message=message, progress=progress)
        job.append_event(event.PhaseEvent(phase=phase, message=message))
