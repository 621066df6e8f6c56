"""How long a run is, counted in epochs: what its progress is a share of. No torch."""

from engine.spec import catalog, phases
from engine.spec.run import RunSpec

PREPARATION = 1.0  # a process with PyTorch, the images, the network
PROCESS, PYTORCH = 0.1, 0.7  # how much of it is behind once the process is there, and once PyTorch is
STEPWISE = 20.0  # an iterative phase
SEARCH = 12.0  # for the smallest network that keeps an accuracy


def epochs(spec: RunSpec, *, trains: bool) -> float:
    """The whole run; a measurement or a cut counts as an epoch. `trains`: its baseline is trained, not only loaded."""
    before = PREPARATION + 1 + baseline_epochs(spec, trains=trains)
    if spec.target.asks_accuracy:
        return before + SEARCH + 1 + spec.recover.epochs + spec.int8
    recovery = sum(spec.recover.epochs for phase in spec.phases() if phases.ends_with_recovery(spec, phase))
    selection = sum(STEPWISE if spec.iterates(phase) else 1 for phase in spec.phases())
    return before + len(spec.target.keep) * (recovery + selection + spec.int8)


def baseline_epochs(spec: RunSpec, *, trains: bool) -> int:
    """In which the baseline is trained, or its given weights adapted, at most."""
    if trains:
        return spec.train.epochs
    carried_over = catalog.pair_of(spec.data.name) is not None
    return spec.transfer.adapt_epochs if carried_over and spec.transfer.adversarial else 0


def share_prepared(spec: RunSpec, part: float) -> float:
    """The share of a run that is behind it when `part` of its preparation is, and its files are not read yet."""
    return round(part * PREPARATION / epochs(spec, trains=spec.weights == "none"), 4)
