"""Figures of runs that were never run, as comparisons take them. Test-only."""

from collections.abc import Sequence
from typing import Any

from engine.comparison.analysis import Comparison, of_figures
from engine.comparison.measured import Figures, Measured
from engine.comparison.metrics import metric_of
from engine.spec import run as specs
from engine.spec.settings import columns_of, value_at

_COLUMNS = columns_of(specs.RunSpec)


def figure(value: float | None, seed: int = 0, target: str = "0.5× MACs", **more: Any) -> Measured:
    """What a run of a request came to; `changes` are those of its spec, the baseline is one for each seed and data."""
    request = specs.parse({"seed": seed, **more.pop("changes", {})}).model_dump(mode="json")
    settings = {column: value_at(request, field.place) for column, field in _COLUMNS.items()}
    made = {"run_id": f"run {seed} {settings['criterion']} {settings['order']}", "created": 0.0}
    baseline = (0.9 + seed / 1000, 0.9, 0.3, 100.0, 1000.0)
    return Measured(
        **{**made, "seed": seed, "target": target, "baseline": baseline, **more}, settings=settings, value=value
    )


def criteria(of: dict[str, Sequence[float]], **more: Any) -> list[Measured]:
    """Of each criterion a figure for each seed from 0."""
    return [
        figure(value, seed, changes={"criterion": name, **more.get("changes", {})}, **_without(more))
        for name, values in of.items()
        for seed, value in enumerate(values)
    ]


def compared(rows: Sequence[Measured], metric: str = "top1", by: Sequence[str] = ()) -> Comparison:
    """The comparison of figures."""
    return of_figures(Figures(tuple(rows), None), metric_of(metric), by)


def _without(more: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in more.items() if key != "changes"}
