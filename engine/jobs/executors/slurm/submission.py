"""Arrays of jobs through submitit: on a SLURM cluster, or on this computer, which stands in for one. No torch."""

import io
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

import psutil

from engine.errors import WorkError
from engine.jobs.child_process import PROJECT
from engine.jobs.executors.slurm import commands
from engine.jobs.executors.slurm.cluster import End, Needs, Place, Standing
from engine.jobs.executors.slurm.request import Request
from engine.jobs.executors.slurm.task import Task
from engine.storage.atomic import as_work_error
from engine.storage.locks import Process

TIMEOUTS = 1000  # how often a job may be out of time: each of a run's jobs goes on from its last finished step
_SIGNAL_SECONDS = 120  # before its end, in which a job's child keeps what it goes on from
_LONG = 60 * 24 * 365  # minutes


class SlurmCluster:
    """The cluster that this computer submits to. RequestError where it is of none."""

    name = "SLURM job"
    poll_seconds = 0.1
    look_seconds = 5.0
    report_seconds = 1.0
    submit_seconds = 2.0

    def __init__(self, request: Request) -> None:
        commands.check()
        self._request = request
        self._avoided: list[str] = []
        self.most = commands.largest_array()

    def submit(self, folder: Path, tasks: Sequence[Task], needs: Needs) -> list[str]:
        """As `Cluster` has it."""
        from submitit import SlurmExecutor

        def submitted() -> list[Any]:
            executor = SlurmExecutor(folder, max_num_timeout=TIMEOUTS, python=python_command())
            executor.update_parameters(**self._parameters(folder.name, needs))
            return executor.submit_array(tasks)

        return [job.job_id for job in _submit(folder, submitted, "sbatch")]

    def _parameters(self, name: str, needs: Needs) -> dict[str, Any]:
        more = {"requeue": True, **self._request.more}
        if self._avoided:
            more["exclude"] = ",".join([*filter(None, [str(more.get("exclude", ""))]), *self._avoided])
        return {
            "job_name": name,
            "partition": self._request.partition,
            "time": self._request.minutes,
            "cpus_per_task": needs.threads,
            "gres": "gpu:1" if needs.gpu else None,
            "array_parallelism": self.most,
            "signal_delay_s": _SIGNAL_SECONDS,
            "wckey": None,
            "srun_args": [f"--cpus-per-task={needs.threads}"],  # which srun does not take over from sbatch
            "additional_parameters": more,
        }

    def standings(self) -> Mapping[Place, Standing] | None:
        """As `Cluster` has it."""
        return commands.standings()

    def cancel(self, jobs: Collection[str]) -> None:
        """As `Cluster` has it: by SIGTERM, and by SIGKILL after the cluster's KillWait."""
        commands.cancel(jobs)

    def end_of(self, job: str) -> End:
        """As `Cluster` has it."""
        return commands.end_of(job)

    def avoid(self, host: str) -> None:
        """As `Cluster` has it."""
        self._avoided.append(host)


class HereCluster:
    """This computer, by submitit's executor for it: the same jobs without a cluster, for tests and measurements."""

    name = "job"
    most = 1  # a job is found again by the name of its array
    poll_seconds = 0.05  # a run waits for it twice: before its child begins, and when that has ended
    look_seconds = 0.2
    report_seconds = 0.0
    submit_seconds = 0.0

    def __init__(self) -> None:
        self._jobs: dict[Place, Any] = {}
        self._left_behind: dict[Place, Process] | None = None

    def submit(self, folder: Path, tasks: Sequence[Task], needs: Needs) -> list[str]:
        """As `Cluster` has it; the ids are those of processes."""
        from submitit import LocalExecutor

        def submitted() -> list[Any]:
            executor = LocalExecutor(folder, max_num_timeout=TIMEOUTS, python=python_command())
            executor.update_parameters(timeout_min=_LONG)
            return executor.submit_array(tasks)

        jobs = _submit(folder, submitted, "submitit")
        self._jobs.update({Place(folder.name, number): job for number, job in enumerate(jobs)})
        return [job.job_id for job in jobs]

    def standings(self) -> Mapping[Place, Standing] | None:
        """As `Cluster` has it: the processes that submitit has started, here or in a process that was killed."""
        if self._left_behind is None:
            self._left_behind = _controllers()
        self._jobs = {place: job for place, job in self._jobs.items() if not job.done()}
        self._left_behind = {place: process for place, process in self._left_behind.items() if process.alive()}
        left_behind = {place: Standing(str(process.pid), False) for place, process in self._left_behind.items()}
        return {**left_behind, **{place: Standing(job.job_id, False) for place, job in self._jobs.items()}}

    def cancel(self, jobs: Collection[str]) -> None:
        """As `Cluster` has it, by a signal that the job forwards; submitit's own ends it a second later by force."""
        for job in jobs:
            with suppress(psutil.NoSuchProcess):  # it has ended
                Process.of(int(job)).signal(signal.SIGTERM)

    def end_of(self, job: str) -> End:
        """As `Cluster` has it: nobody can say."""
        return End()

    def avoid(self, host: str) -> None:
        """As `Cluster` has it; there is no other host."""


def python_command() -> str:
    """How Python is called on a node, with this very code, wherever it is called."""
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    return shlex.join(["env", f"PYTHONPATH={path}", sys.executable])


def _submit(folder: Path, submitted: Callable[[], list[Any]], who: str) -> list[Any]:
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    logging.getLogger("submitit").setLevel(logging.CRITICAL)  # what it says comes as an error
    printed = io.StringIO()
    try:
        with as_work_error(folder), redirect_stderr(printed):
            return submitted()
    except (FailedJobError, FailedSubmissionError) as error:
        raise WorkError(f"{who} refused the jobs: {commands.refusal(str(error))}") from None


def _controllers() -> dict[Place, Process]:
    """The processes of this user that submitit has started, by the folders that they work in."""
    found: dict[Place, Process] = {}
    for process in psutil.process_iter(["cmdline", "uids"]):
        words, uids = process.info["cmdline"] or [], process.info["uids"]
        if "submitit.local._local" in words and uids is not None and uids.effective == os.geteuid():
            with suppress(psutil.NoSuchProcess):
                found[Place(Path(words[-1]).name, 0)] = Process.of(process.pid)
    return found
