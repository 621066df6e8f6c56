"""Between widgets and specs: what the launch form holds, the runs it asks for, and commands that do the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app import text
from engine.errors import RequestError
from engine.spec import run as specs
from engine.spec.catalog import CRITERIA
from engine.spec.flags import command_line
from engine.spec.run import RunSpec

Section = Literal["network", "data", "remove", "target", "recover", "seeds"]

# The first word of a spec's error sentence is the path of the field it concerns.
_SECTIONS: dict[str, Section] = {
    "model": "network",
    "weights": "network",
    "train": "network",
    "data": "data",
    "dataset": "data",
    "imagenet": "data",
    "criterion": "remove",
    "order": "remove",
    "width": "remove",
    "depth": "remove",
    "attempt": "remove",
    "target": "target",
    "int8": "target",
    "recover": "recover",
    "seed": "seeds",
    "device": "seeds",
}
# What the form calls a spec's fields, and the criteria that sentences begin with.
_FIELDS = {name: criterion.label for name, criterion in CRITERIA.items()} | {
    "data.root": "the data folder",
    "data.limit": "the number of images",
    "data.val_fraction": "the validation share",
    "train.epochs": "the number of epochs before pruning",
    "train.lr": "the learning rate",
    "train.batch_size": "the batch size",
    "depth.floor": "the accuracy to stop below",
    "width.round_to": "the multiple to keep",
    "width.attempt_fraction": "the share of channels tried",
    "width.layers_per_step": "the share of layers cut in a step",
    "width.least_share": "the share always kept",
    "attempt.measure": "the measure of attempts",
    "attempt.race": "the race",
    "target.keep": "the ratios to keep",
    "target.depth_share": "the layers' share",
    "target.latency_table": "the table of layer latencies",
    "recover.epochs": "the number of recovery epochs",
    "recover.lr": "the learning rate of the recovery",
    "recover.distil": "distillation",
    "recover.temperature": "the temperature",
    "recover.distil_weight": "the teacher's part of the loss",
    "recover.between_steps_batches": "the number of batches after each step",
}


@dataclass(frozen=True)
class Request:
    """One launch: everything that its runs share, and the lists whose combinations they are."""

    base: dict[str, Any]
    criteria: tuple[str, ...]
    ensemble: bool
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Refusal:
    """A request that cannot be met: where on the form to say so, and the sentence."""

    section: Section
    sentence: str


def build(request: Request) -> list[RunSpec] | Refusal:
    """The runs of a request, one per criterion (or one for the ensemble) and seed; or the first thing wrong with it."""
    if not request.base.get("weights", "none"):
        return Refusal("network", "Give the path of a weights file.")
    if not request.criteria:
        return Refusal("remove", f"Choose at least one {_chooses_by(request.base)}.")
    if not request.seeds:
        return Refusal("seeds", "Choose at least one seed.")
    criteria = ("+".join(request.criteria),) if request.ensemble else request.criteria
    try:
        return [
            specs.parse({**request.base, "criterion": criterion, "seed": seed})
            for criterion in criteria
            for seed in request.seeds
        ]
    except RequestError as error:
        return Refusal(section_of(str(error)), sentence(str(error)))


def _chooses_by(base: Mapping[str, Any]) -> str:
    """What decides what goes: direct removal of layers alone has a measure in place of a criterion."""
    measured = base.get("order") == "layers" and base.get("depth", {}).get("method") == "direct"
    return "measure" if measured else "criterion"


def section_of(message: str) -> Section:
    """The part of the form that an error sentence of the engine concerns."""
    head = message.removeprefix("unknown ").split(" ", 1)[0].split(".", 1)[0]
    return _SECTIONS.get(head, "network")


def section_of_sheet(message: str, spec: RunSpec) -> Section:
    """Where to say that the network could not be built: beside the data when the sentence names it."""
    source = spec.data.name.partition(":")[2] or spec.data.root
    words = ("dataset", "npz", "train_images", "test_images", "class folder", "image folder", "images in")
    about_data = (source and source in message) or any(word in message for word in words)
    return "data" if about_data else "network"


def section_of_forecast(message: str) -> Section:
    """Where to say that a target cannot be met: beside the targets, or beside what to remove when no target can."""
    head = message.split(" ", 1)[0].split(".", 1)[0]
    return "target" if head == "keep" else _SECTIONS.get(head, "remove")


def sentence(message: str) -> str:
    """An error as the page says it: its field or criterion by the form's name, with a capital and a full stop."""
    path, space, rest = message.strip().partition(" ")
    return text.sentence(_FIELDS.get(path, path) + space + rest)


def ratios(chosen: Iterable[float | str]) -> tuple[float, ...]:
    """Ratios to keep from a list that may hold typed text, largest first; RequestError names what is not a number."""
    return tuple(sorted({_ratio(item) for item in chosen}, reverse=True))


def seeds(chosen: Iterable[int | str]) -> tuple[int, ...]:
    """Seeds from a list that may hold typed text, in order; RequestError names what is not a whole number."""
    out = set()
    for item in chosen:
        try:
            out.add(int(item))
        except ValueError:
            raise RequestError(f"seed {item!r} is not a whole number") from None
    return tuple(sorted(out))


def commands(runs: Sequence[RunSpec]) -> str:
    """The command lines that submit the same runs, one a line; runs that differ in their seed alone share one."""
    by_group: dict[str, list[RunSpec]] = {}
    for run in runs:
        by_group.setdefault(run.group(), []).append(run)
    return "\n".join(
        command_line("submit", same[0], [run.seed for run in same] if len(same) > 1 else None)
        for same in by_group.values()
    )


def _ratio(item: float | str) -> float:
    try:
        return float(str(item).strip().rstrip("×x").replace(",", "."))
    except ValueError:
        raise RequestError(f"target {item!r} is not a number; write a ratio such as 0.5") from None
