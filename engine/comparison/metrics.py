"""What runs are compared by: the figures of a point, which way is better, and how they are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.errors import RequestError
from engine.spec import messages
from engine.units import si, three

LATENCY = "latency"


@dataclass(frozen=True)
class Metric:
    """A figure under the name that points have it by. `write` writes one, or a difference without its sign; what it
    leaves out stands in headings: `unit`, and `change_unit` of differences.
    """

    name: str
    heading: str
    higher_is_better: bool
    write: Callable[[float], str]
    unit: str = ""
    change_unit: str = ""

    def write_change(self, value: float) -> str:
        """A difference, with its sign."""
        return ("−" if value < 0 else "+" if value > 0 else "") + self.write(abs(value))


def _share(name: str, heading: str) -> Metric:
    return Metric(name, heading, True, lambda value: f"{100 * value:.2f}", "%", "points")


def _cost(name: str, heading: str, write: Callable[[float], str], unit: str = "") -> Metric:
    return Metric(name, heading, False, write, unit, unit)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _share("top1", "top-1 accuracy"),
        _share("top5", "top-5 accuracy"),
        _share("val_top1", "validation accuracy"),
        _share("source_top1", "top-1 accuracy on the source"),
        _cost("loss", "loss", lambda value: f"{value:.4f}"),
        _cost("params", "parameters", si),
        _cost("macs", "MACs", si),
        _cost("bytes", "size", lambda value: si(value, "B")),
        _cost(LATENCY, "latency", three, "ms"),
    )
}


def metric_of(name: str) -> Metric:
    """The metric of that name; RequestError where there is none."""
    if name not in METRICS:
        raise RequestError(f"there is no metric {messages.quote(name)}; take one of {', '.join(METRICS)}")
    return METRICS[name]
