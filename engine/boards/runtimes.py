"""What a network is timed with on a board: TensorRT's own tool where it is there, else ONNX Runtime.

Both do the same two things: prepare what is timed from an ONNX file, and measure one round of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.boards.agent import documents
from engine.boards.agent.documents import Document
from engine.boards.agent.probe import Probe
from engine.boards.agent.session import Agent
from engine.boards.measurement import TimingRound, ToolSettings, onnxruntime_round, trtexec_round
from engine.boards.trtexec import commands as trtexec
from engine.boards.trtexec import output
from engine.boards.trtexec.commands import Version
from engine.boards.trtexec.failure import EngineRefused
from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest

WARMUP_MS = 500.0
HZ = 5.0  # how often the board's sensors are read
FILE_SECONDS = 60.0
LEAST_PROFILED = 10  # inferences, of a layer profile
START_SECONDS = 30.0  # for a tool to start, load, warm up and end, beside the seconds that it measures


@dataclass(frozen=True)
class Artifact:
    """What is timed: its path on the board, whether it was there already, and the seconds that making it took."""

    path: str
    cached: bool
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoundResult:
    """A round, the raw document that it was read from, and the seconds that the tool took for it, warm-up and all."""

    round: TimingRound
    document: Document
    seconds: float


class Runtime(Protocol):
    """How networks are timed on one board. `tensorrt` and `onnxruntime` are its version; one of them is None."""

    @property
    def tool(self) -> str: ...
    @property
    def tensorrt(self) -> Version | None: ...
    @property
    def onnxruntime(self) -> Version | None: ...
    def prepare(self, agent: Agent, onnx: str, digest: str, image: Sequence[int]) -> Artifact:
        """What is timed, made from the ONNX file on the board; `digest` is the file's SHA-256."""

    def measure(self, agent: Agent, path: str, image: Sequence[int], least: int, limit: float) -> RoundResult:
        """One round of at least `least` queries within `limit` seconds.

        Raises EngineRefused where what is timed was made for another board or version, or is damaged; it is gone then.
        """

    def export_layers(self, agent: Agent, path: str, image: Sequence[int]) -> tuple[str, float]:
        """What the tool writes of the time of every layer, and the seconds that it took for it.

        WorkError when it fails, or times no layers at all.
        """

    def settings(self) -> ToolSettings:
        """The tool and its settings, for the record."""


def choose_runtime(probe: Probe, request: TimingRequest) -> Runtime:
    """TensorRT where the board has it, else ONNX Runtime; RequestError when it has neither, or not that precision."""
    if probe.trtexec is not None and probe.tensorrt_version is not None:
        workspace = request.workspace or trtexec.default_workspace_mib(probe.memory_total_bytes)
        return TensorRT(request, probe.trtexec, probe.tensorrt_version, workspace)
    board = request.device
    missing = "trtexec, TensorRT's timing tool, is not on it (usually /usr/src/tensorrt/bin/trtexec)"
    if probe.onnxruntime is None:
        raise RequestError(
            f"{board} cannot time a network: {missing}, and its python3 has no onnxruntime; install one of them"
        )
    if request.precision != "fp32":
        raise RequestError(f"{board} times with ONNX Runtime, in fp32 only: {missing}")
    return OnnxRuntime(request, tuple(map(int, re.findall(r"[0-9]{1,6}", probe.onnxruntime)[:3])))


@dataclass(frozen=True)
class OnnxRuntime:
    """The ONNX file as it is, on the board's processor."""

    request: TimingRequest
    onnxruntime: Version
    tool: str = "onnxruntime"
    tensorrt: None = None

    def prepare(self, agent: Agent, onnx: str, digest: str, image: Sequence[int]) -> Artifact:
        return Artifact(onnx, cached=True)

    def measure(self, agent: Agent, path: str, image: Sequence[int], least: int, limit: float) -> RoundResult:
        options = {
            "model": path,
            "least": least,
            "limit": limit,
            "seconds": min(self.request.seconds, limit),
            "warmup": WARMUP_MS / 1e3,
            "threads": self.request.threads,
            "hz": HZ,
        }
        argv = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        document = agent.call("ort", *argv, limit=limit)
        answer = documents.check(documents.RuntimeRound, document)
        return RoundResult(onnxruntime_round(document), document, answer.to_s)

    def export_layers(self, agent: Agent, path: str, image: Sequence[int]) -> tuple[str, float]:
        raise WorkError("ONNX Runtime times a network as a whole here; layers are timed where the board has TensorRT")

    def settings(self) -> ToolSettings:
        settings = {"seconds": self.request.seconds, "warmup_ms": WARMUP_MS}
        return ToolSettings(
            self.tool, _dotted(self.onnxruntime), "fp32", "CPUExecutionProvider", self.request.threads, settings
        )


@dataclass(frozen=True)
class TensorRT:
    """An engine that trtexec builds on the board, once for each network, TensorRT, precision and workspace."""

    request: TimingRequest
    trtexec: str
    tensorrt: Version
    workspace_mib: int
    tool: str = "trtexec"
    onnxruntime: None = None

    def prepare(self, agent: Agent, onnx: str, digest: str, image: Sequence[int]) -> Artifact:
        name = f"{digest[:32]}-{_dotted(self.tensorrt)}-{self.request.precision}-{self.workspace_mib}"
        engine = f"{agent.connection.folder}/engines/{name}.engine"
        if _is_cached(agent, engine):
            return Artifact(engine, cached=True)
        part = f"{engine}.part"
        argv = trtexec.build_command(
            self.tensorrt,
            self.trtexec,
            onnx,
            part,
            image,
            precision=self.request.precision,
            workspace_mib=self.workspace_mib,
            timing_cache=f"{agent.connection.folder}/engines/timing-{_dotted(self.tensorrt)}.cache",
        )
        limit = self.request.build_limit
        try:
            document = agent.call("run", "--limit", str(limit), "--hz", str(HZ), limit=limit, argv=argv)
            ended = documents.check(documents.ToolRun, document)
            _refuse_unfinished(ended, "building the engine", limit)
            outcome = output.read_outcome(ended.out, ended.err, version=self.tensorrt, code=ended.status)
            outcome.or_fail("building the engine")
            if agent.connection.run([*_KEEP, part, engine], limit=FILE_SECONDS).status != 0:
                raise WorkError("building the engine failed: trtexec passed, but wrote no engine")
        except BaseException:
            _remove(agent, part)
            raise
        return Artifact(engine, cached=False, seconds=ended.seconds, warnings=outcome.warnings)

    def measure(self, agent: Agent, path: str, image: Sequence[int], least: int, limit: float) -> RoundResult:
        times = f"{agent.connection.folder}/times.json"
        argv = trtexec.measure_command(
            self.tensorrt,
            self.trtexec,
            path,
            image,
            times=times,
            warmup_ms=WARMUP_MS,
            seconds=min(self.request.seconds, limit),
            least=least,
        )
        collect = ("--collect", times) if trtexec.exports_times(self.tensorrt) else ()
        most = limit + START_SECONDS
        document = agent.call("run", "--limit", str(most), "--hz", str(HZ), *collect, limit=most, argv=argv)
        ended = documents.check(documents.ToolRun, document)
        _refuse_unfinished(ended, "measuring", most)
        try:
            timing = output.parse(
                ended.out,
                ended.err,
                ended.collected,
                self.tensorrt,
                WARMUP_MS,
                code=ended.status,
                times_error=ended.collect_error,
            )
        except EngineRefused:  # it would be in the way for ever
            _remove(agent, path)
            raise
        return RoundResult(trtexec_round(timing, document), document, ended.seconds)

    def export_layers(self, agent: Agent, path: str, image: Sequence[int]) -> tuple[str, float]:
        profile = f"{agent.connection.folder}/layers.json"
        argv = trtexec.profile_command(
            self.tensorrt,
            self.trtexec,
            path,
            image,
            profile=profile,
            warmup_ms=WARMUP_MS,
            seconds=min(self.request.seconds, self.request.limit),
            least=LEAST_PROFILED,
        )
        most = self.request.limit + START_SECONDS
        options = ("--limit", str(most), "--hz", str(HZ), "--collect", profile, "--as-text")
        ended = documents.check(documents.ToolRun, agent.call("run", *options, limit=most, argv=argv))
        _refuse_unfinished(ended, "timing the layers", most)
        outcome = output.read_outcome(ended.out, ended.err, version=self.tensorrt, code=ended.status)
        outcome.or_fail("timing the layers")
        if not isinstance(ended.collected, str):
            raise WorkError(
                f"trtexec passed but exported no layer profile ({ended.collect_error or 'nothing was read'})"
            )
        return ended.collected, ended.seconds

    def settings(self) -> ToolSettings:
        settings = {"seconds": self.request.seconds, "warmup_ms": WARMUP_MS, "workspace_mib": self.workspace_mib}
        return ToolSettings(self.tool, _dotted(self.tensorrt), self.request.precision, "TensorRT", None, settings)


# On the disk before it has its name: boards are switched off by pulling the plug.
_KEEP = ["sh", "-c", 'sync "$1" 2>/dev/null; mv "$1" "$2"', "sh"]


def _is_cached(agent: Agent, path: str) -> bool:
    """Whether the file is there and not empty; if so it counts as used now, which tidying goes by."""
    test = ["sh", "-c", 'test -s "$1" && touch "$1"', "sh", path]
    return agent.connection.run(test, limit=FILE_SECONDS).status == 0


def _remove(agent: Agent, path: str) -> None:
    """Takes away a half-built engine where the connection still lives; otherwise the board's next tidying does."""
    try:
        agent.connection.run(["rm", "-f", path], limit=FILE_SECONDS)
    except WorkError:
        return


def _refuse_unfinished(ended: documents.ToolRun, doing: str, limit: float) -> None:
    if ended.timed_out:
        raise WorkError(
            f"{doing} did not end within {limit:.0f} s and was stopped; raise its limit, or take a smaller network"
        )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
