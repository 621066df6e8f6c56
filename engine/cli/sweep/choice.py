"""Where a sweep's runs go on: the executor that --on and the options of its places ask for. No torch.

A place is imported when it is asked for, and its packages are in requirements-cluster.txt.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from engine.errors import RequestError
from engine.jobs.executors.executor import Executor
from engine.jobs.executors.local import LocalExecutor
from engine.jobs.executors.slots import slots
from engine.storage.store import Store

if TYPE_CHECKING:
    from engine.jobs.executors.slurm.cluster import Cluster

On = Literal["local", "slurm", "ray"]


@dataclass(frozen=True)
class Choice:
    """What the command line says of where runs go on; None for what it does not say.

    What follows `jobs` belongs to one place alone, which `_OWNERS` names.
    """

    on: On = "local"
    jobs: int | None = None  # at once, at most
    partition: str | None = None
    time: str | None = None  # as SLURM writes times
    sbatch: Sequence[str] = ()  # KEY=VALUE
    address: str | None = None  # of a Ray cluster

    @property
    def elsewhere(self) -> bool:
        """Whether the runs go on on other computers, of which this one does not know what they can do."""
        return self.on != "local"


# Of the options that one place alone knows, by their field of `Choice`.
_OWNERS: Mapping[str, On] = {"partition": "slurm", "time": "slurm", "sbatch": "slurm", "address": "ray"}


def executor_for(choice: Choice, store: Store, threads: int, gpu_needs: Sequence[int]) -> Executor:
    """The executor of the place that was chosen, for runs of so many threads each.

    `gpu_needs` are the bytes of a GPU's memory that each kind of run takes; none where no run wants a GPU. RequestError
    for an option of another place, and for a place that this computer lacks something for.
    """
    for name, owner in _OWNERS.items():
        if getattr(choice, name) and choice.on != owner:
            raise RequestError(f"--{name} is an option of --on {owner}; say --on {owner}, or leave --{name} out")
    return _BUILDERS[choice.on](choice, store, threads, gpu_needs)


def withdraw(choice: Choice, store: Store, run_ids: Collection[str]) -> None:
    """Ends what the place that was chosen still has of some runs whose process is gone: jobs that wait on a cluster."""
    if choice.on == "slurm":
        cluster = _slurm_cluster(choice)
        from engine.jobs.executors.slurm import executor

        executor.withdraw(store, cluster, run_ids)


def require(package: str, on: str) -> None:
    """RequestError where the package that a place needs is not installed."""
    if find_spec(package) is None:
        raise RequestError(
            f"--on {on} needs the package {package}, which is not installed; "
            "install it with `pip install -r requirements-cluster.txt`"
        )


def _local(choice: Choice, store: Store, threads: int, gpu_needs: Sequence[int]) -> Executor:
    return LocalExecutor(store, slots(threads, gpu_needs, choice.jobs))


def _slurm(choice: Choice, store: Store, threads: int, gpu_needs: Sequence[int]) -> Executor:
    cluster = _slurm_cluster(choice)
    from engine.jobs.executors.slurm.executor import PLACES, SubmititExecutor

    return SubmititExecutor(store, cluster, choice.jobs or PLACES)


def _slurm_cluster(choice: Choice) -> "Cluster":
    require("submitit", "slurm")
    from engine.jobs.executors.slurm import request
    from engine.jobs.executors.slurm.submission import SlurmCluster

    return SlurmCluster(request.read(choice.partition, choice.time, choice.sbatch))


def _ray(choice: Choice, store: Store, threads: int, gpu_needs: Sequence[int]) -> Executor:
    require("ray", "ray")
    from engine.jobs.executors.ray.executor import RayExecutor

    return RayExecutor(store, threads, gpu_needs, choice.jobs, choice.address)


_BUILDERS: Mapping[On, Callable[[Choice, Store, int, Sequence[int]], Executor]] = {
    "local": _local,
    "slurm": _slurm,
    "ray": _ray,
}
