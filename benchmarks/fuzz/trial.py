"""One kind of input tried many times: what is refused, what is taken, and what is neither."""

import faulthandler
import signal
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.inputs import VICTIM, Input
from benchmarks.memory import peak_memory
from engine.errors import RequestError, WorkError

LIMIT_SECONDS = 10.0
LIMIT_MIB = 1024.0
_LONGEST = 2000  # characters of a sentence, with a path or two in it
_VICTIM = b"nobody writes here\n"


class Complaint(Exception):
    """What a reader gave is not what it may give."""


class Hang(BaseException):
    """An input took too long. No Exception, which a reader might take for one of its own."""


@dataclass(frozen=True)
class Kind:
    """What is fuzzed: how inputs come about, and what is done with one that lies in a folder of its own.

    `attempt` raises RequestError or WorkError for what is refused; every other exception is a failure.
    """

    name: str
    inputs: SearchStrategy[Input]
    attempt: Callable[[Path, Input], None]
    refuses: bool = True  # whether an input may be refused as a whole


@dataclass
class Failure:
    """One way in which inputs failed: how often, what is to be seen of it, and the first such input."""

    count: int
    report: str
    input: str


@dataclass
class Tally:
    """What came of some inputs. Seconds of the slowest, MiB of the process at its largest; failures by their place."""

    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    memory: float = 0.0
    failures: dict[str, Failure] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        self.inputs += other.inputs
        self.refused += other.refused
        self.slowest = max(self.slowest, other.slowest)
        self.memory = max(self.memory, other.memory)
        for place, failure in other.failures.items():
            self.fail(place, failure)

    def fail(self, place: str, failure: Failure) -> None:
        """Counts a failure; of those at one place the first is kept."""
        if place in self.failures:
            self.failures[place].count += failure.count
        else:
            self.failures[place] = failure

    @property
    def failed(self) -> int:
        return sum(failure.count for failure in self.failures.values())


def check_sentence(error: BaseException | str) -> None:
    """Complaint unless it is one sentence that a terminal and a page can show."""
    sentence = str(error)
    if not sentence.strip() or len(sentence) > _LONGEST or not sentence.isprintable():
        raise Complaint(f"{len(sentence)} characters are no printable sentence: {sentence[:300]!r}")


def look(reader: Callable[[], Any]) -> Any:
    """What a reader gives; None when it refuses with one sentence, which is fine, too."""
    try:
        return reader()
    except (RequestError, WorkError) as error:
        check_sentence(error)
        return None


def run_batch(kind: Kind, seed: int, count: int, current: Path) -> Tally:
    """`count` inputs of a kind, the same for the same seed. The one at work stands in the file `current`."""
    tally = Tally()

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def each(tried: Input) -> None:
        if tally.inputs < count:
            current.write_text(tried.dumps())
            _count(tally, kind, tried)

    with _alarm():
        each()
    return tally


def attempt(kind: Kind, tried: Input) -> bool:
    """Whether one input is refused; whatever is wrong is raised. The alarm is the caller's."""
    with tempfile.TemporaryDirectory(prefix="espalier-fuzz-") as name:
        folder = Path(name)
        (folder / VICTIM).write_bytes(_VICTIM)
        try:
            kind.attempt(folder, tried)
            refused = False
        except (RequestError, WorkError) as error:
            check_sentence(error)
            if not kind.refuses:
                raise Complaint(f"what is damaged hides the rest: {error}") from error
            refused = True
        if (folder / VICTIM).read_bytes() != _VICTIM:
            raise Complaint("a link was followed for writing")
    return refused


def _count(tally: Tally, kind: Kind, tried: Input) -> None:
    tally.inputs += 1
    start, before, failed = time.monotonic(), tally.memory, tally.failed
    try:
        signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS, 5.0)  # again, where the first is passed over
        faulthandler.dump_traceback_later(3 * LIMIT_SECONDS, exit=True)  # for what does not return to Python
        tally.refused += attempt(kind, tried)
    except (Exception, Hang) as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        tally.fail(_place(error), Failure(1, "".join(traceback.format_exception(error)), tried.dumps()))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - start
    if seconds > LIMIT_SECONDS and tally.failed == failed:  # the alarm came where no exception can leave
        tally.fail("slow", Failure(1, f"it took {seconds:.1f} s\n", tried.dumps()))
    tally.slowest = max(tally.slowest, seconds)
    tally.memory = peak_memory()
    if before <= LIMIT_MIB < tally.memory:
        report = f"memory: {tally.memory:,.0f} MiB after {before:,.0f} MiB\n"
        tally.fail("memory", Failure(1, report, tried.dumps()))


def _place(error: BaseException) -> str:
    """Where it was raised, as distinct from other places: a short hash of the last lines of the project, and a name."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and "/lib/python" not in frame.filename]
    last = [(frame.filename, frame.lineno) for frame in own[-2:]]
    return f"{type(error).__name__}-{zlib.crc32(repr(last).encode()):08x}"


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {LIMIT_SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
