"""Between widgets and specs: what the launch form holds, the runs of a request, and commands that do the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app import text
from engine.errors import RequestError
from engine.spec import run as specs
from engine.spec.catalog import CRITERIA
from engine.spec.flags import command_line
from engine.spec.run import RunSpec
from engine.spec.settings import Section, label_of, section_of


@dataclass(frozen=True)
class Request:
    """One launch: everything that its runs share, and the lists whose combinations they are."""

    base: dict[str, Any]
    criteria: tuple[str, ...]
    ensemble: bool
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Refusal:
    """A request that cannot be met: the section of the form that shows it, and the sentence."""

    section: Section
    sentence: str

    @classmethod
    def of(cls, message: str, field: str | None) -> Self:
        """The refusal that an error of the engine comes to: beside its field's widgets, or else beside the network."""
        return cls(section_of(RunSpec, field) or "network", sentence(message, field))


def build(request: Request) -> list[RunSpec] | Refusal:
    """The runs of a request, one per criterion (or one for the ensemble) and seed; or the first thing wrong with it.

    Where an accuracy is to be kept, one run looks for the smallest network with all the criteria.
    """
    if not request.base.get("weights", "none"):
        return Refusal("network", "Give the path of a weights file.")
    if not request.criteria:
        return Refusal("remove", f"Choose at least one {_selector(request.base)}.")
    if not request.seeds:
        return Refusal("seeds", "Choose at least one seed.")
    base, criteria = request.base, request.criteria
    if request.ensemble:
        criteria = ("+".join(criteria),)
    elif base.get("target", {}).keys() & {"lose", "at_least"}:
        base = {**base, "target": {**base["target"], "also_criteria": list(criteria[1:])}}
        criteria = criteria[:1]
    try:
        return [
            specs.parse({**base, "criterion": criterion, "seed": seed})
            for criterion in criteria
            for seed in request.seeds
        ]
    except RequestError as error:
        return Refusal.of(str(error), error.field)


def _selector(base: Mapping[str, Any]) -> str:
    """What selects blocks or channels: direct removal of blocks alone has a measure in place of a criterion."""
    by_measure = base.get("order") == "layers" and base.get("depth", {}).get("method") == "direct"
    return "measure" if by_measure else "criterion"


def sentence(message: str, field: str | None) -> str:
    """An error as the page shows it: its field or criterion by the form's name, with a capital and a full stop."""
    for name, label in _labels(field).items():
        if message.startswith(f"{name} "):
            return text.sentence(label + message.removeprefix(name))
    return text.sentence(message)


def _labels(field: str | None) -> dict[str, str]:
    """What the form calls that which a sentence about this field begins with."""
    if field == "criterion":
        return {name: criterion.label for name, criterion in CRITERIA.items()}
    return {} if field is None else {field: label_of(RunSpec, field)}


def ratios(entries: Iterable[float | str]) -> tuple[float, ...]:
    """Ratios to keep from a list that may hold typed text, largest first; RequestError names what is not a number."""
    return tuple(sorted({_ratio(entry) for entry in entries}, reverse=True))


def seeds(entries: Iterable[int | str]) -> tuple[int, ...]:
    """Seeds from a list that may hold typed text, in order; RequestError names what is not a whole number."""
    numbers = set()
    for entry in entries:
        try:
            numbers.add(int(entry))
        except ValueError:
            raise RequestError(f"seed {entry!r} is not a whole number", field="seed") from None
    return tuple(sorted(numbers))


def commands(runs: Sequence[RunSpec]) -> str:
    """The command lines that submit the same runs, one a line; runs that differ in their seed alone share one."""
    by_group: dict[str, list[RunSpec]] = {}
    for run in runs:
        by_group.setdefault(run.group(), []).append(run)
    return "\n".join(
        command_line("submit", group[0], [run.seed for run in group] if len(group) > 1 else None)
        for group in by_group.values()
    )


def _ratio(entry: float | str) -> float:
    try:
        return float(str(entry).strip().rstrip("×x").replace(",", "."))
    except ValueError:
        sentence = f"target {entry!r} is not a number; write a ratio such as 0.5"
        raise RequestError(sentence, field="target.keep") from None
