"""A preview, start to end: select, cut, measure, reconstruct, measure again. Nothing is written anywhere."""

import time
from pathlib import Path

from engine.errors import RequestError
from engine.graph.metric import Metric
from engine.latency import table as latency_table
from engine.latency.predictor import Predictor
from engine.pipeline.preview.answer import Preview
from engine.pipeline.preview.request import PreviewRequest
from engine.pipeline.preview.subject import Listener, Subject
from engine.pipeline.preview.target import Target
from engine.prune.forecast import forecast
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.zoo import makers, source


class Previewer:
    """Answers requests one after the other; what it loaded and scored for one is there for the next like it."""

    def __init__(self) -> None:
        self._key: object = None
        self._subject: Subject | None = None

    def answer(self, request: PreviewRequest, listener: Listener = lambda _: None) -> Preview:
        """What each target of a request comes to; RequestError and WorkError say what is wrong.

        `listener` hears what is going on; what it raises ends the preview, and nothing is lost by that.
        """
        started = time.monotonic()
        subject = self._subject_of(request, listener)
        loading = time.monotonic() - started
        spec, summary = request.spec, subject.network.structure.summary
        metric = _metric(spec, subject)
        untouched = subject.untouched(request.validation_images, listener)
        targets = tuple(Target(request, subject, metric, keep, listener).preview() for keep in spec.target.keep)
        return Preview(
            model=subject.inputs.zoo_model.name,
            weights=spec.weights,
            data=spec.data.name,
            criterion=spec.criterion,
            order=spec.order,
            metric=spec.target.metric,
            seed=spec.seed,
            device=subject.inputs.device,
            calibration_images=subject.calibration_images(request),
            macs=summary.macs,
            params=summary.params,
            untouched=untouched,
            targets=targets,
            notes=(*subject.said(spec), *_notes(request, subject)),
            loading=round(loading, 2),
            seconds=round(time.monotonic() - started, 2),
        )

    def forget(self) -> None:
        """Let go of what was loaded."""
        self._key, self._subject = None, None

    def _subject_of(self, request: PreviewRequest, listener: Listener) -> Subject:
        key = _key(request)
        if self._subject is None or self._key != key:
            self.forget()
            self._subject = Subject.load(request, listener)
            self._key = key
        return self._subject


def _key(request: PreviewRequest) -> object:
    """What must be equal for two requests to be of the same network and images, files as they are now."""
    spec = request.spec
    paths = (str(source.parse_file(spec.weights).path), spec.data.root or "", *catalog.paths_of(spec.data.name))
    state = (makers.state_of(spec.model), *map(_stamp, paths))
    return spec.model, spec.weights, spec.data, spec.train, spec.seed, spec.device, request.results, state


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat() if path else None
    except (OSError, ValueError):
        return None  # no file, which loading says
    return None if status is None else (status.st_mtime_ns, status.st_size)


def _metric(spec: RunSpec, subject: Subject) -> Metric:
    """What the targets are stated in; RequestError for a request that cannot be met."""
    summary = subject.network.structure.summary
    table = latency_table.read_for(spec.target.latency_table, summary)
    if spec.target.metric == "latency" and table is None:
        raise RequestError(
            "a preview measures no latencies: give --latency-table a file that `espalier table` wrote, or state the "
            "target in macs or params",
            field="target.latency_table",
        )
    forecast(summary, spec, table)
    return Metric(spec.target.metric, None if table is None else Predictor(table))


def _notes(request: PreviewRequest, subject: Subject) -> list[str]:
    """What limits the figures."""
    data, spec = subject.inputs.data, request.spec
    looked_at = min(request.validation_images, len(data.val))
    notes = [f"accuracies are of {looked_at:,} validation images; no test image was looked at, and nothing trained"]
    if data.target is not None:
        notes.append(f"they are of the source; what a cut costs on {data.target.name}, a run says in the end")
    if spec.weights not in ("none", "hub"):
        notes.append(
            "validation images are cut out of the training data where there are no others; weights that were trained "
            "on those look better here than on test images"
        )
    if len(spec.phases()) > 1:
        notes.append("both phases go by scores of the untouched network; a run scores again after the first")
    return notes
