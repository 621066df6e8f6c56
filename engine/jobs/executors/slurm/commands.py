"""SLURM's own commands, and what they print. No torch."""

import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence

import psutil

from engine.errors import RequestError
from engine.jobs.executors.slurm.cluster import End, Place, Standing

_NEEDED = ("sbatch", "srun", "squeue", "scancel", "scontrol")
_FORMAT = "%i|%j|%T"  # id, name, state
_SECONDS = 60.0  # that a command may take
_WAITING = frozenset(("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"))
_USUAL_ARRAY = 1001  # what MaxArraySize is by default
_PREFIX = re.compile(r"^(sbatch|srun|slurmstepd|scancel): (error: )?")


def check() -> None:
    """RequestError where this computer has none of a command, as one that is not of a cluster."""
    for name in _NEEDED:
        if shutil.which(name) is None:
            raise RequestError(
                f"--on slurm needs the command {name}, which this computer does not have; "
                "give the same command on a computer from which jobs are submitted to the cluster"
            )


def largest_array() -> int:
    """How many jobs one array may have."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _said("scontrol", "show", "config") or "", re.MULTILINE)
    return max(1, int(found[1]) if found else _USUAL_ARRAY)


def standings() -> Mapping[Place, Standing] | None:
    """This user's jobs that have not ended; None where the controller does not answer."""
    said = _said("squeue", "--noheader", "--array", f"--user={psutil.Process().username()}", f"--format={_FORMAT}")
    return None if said is None else parse_standings(said)


def parse_standings(said: str) -> dict[Place, Standing]:
    """Jobs in a list of lines ID|NAME|STATE, in which the id of an array's job is ID_NUMBER."""
    found: dict[Place, Standing] = {}
    for line in said.splitlines():
        job, _, rest = line.strip().partition("|")
        name, _, state = rest.rpartition("|")
        number = job.partition("_")[2] or "0"
        if name and number.isdecimal():
            found[Place(name, int(number))] = Standing(job, state in _WAITING)
    return found


def cancel(jobs: Collection[str]) -> None:
    """Ends jobs; scancel says itself what it could not end, and the next look at the queue shows it."""
    if jobs:
        _said("scancel", *jobs)


def end_of(job: str) -> End:
    """How a job has ended, for as long as the controller remembers it."""
    return parse_end(_said("scontrol", "--oneliner", "show", "job", job) or "")


def parse_end(said: str) -> End:
    """The state and the host in what `scontrol show job` prints."""
    state = re.search(r"\bJobState=(\S+)", said)
    host = re.search(r"\b(?:BatchHost|(?<!Req)(?<!Exc)NodeList)=(\S+)", said)
    return End(state[1] if state else "", host[1] if host and host[1] != "(null)" else "")


def refusal(said: str) -> str:
    """The last line of what a command of SLURM complained of, without its own name."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return _PREFIX.sub("", lines[-1]) if lines else "it did not say why"


def _said(*command: str) -> str | None:
    """What a command printed; None where it failed."""
    try:
        done = subprocess.run(_found(command), capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _found(command: Sequence[str]) -> list[str]:
    return [shutil.which(command[0]) or command[0], *command[1:]]
