"""What a search will take before it is begun. Takes torch for the speed of the machine."""

from typing import Any

from engine.jobs.sweep.inventory import Entry
from engine.measure.threads import compute_with
from engine.pipeline.duration.estimate import CUT_SECONDS, REFIT_SECONDS
from engine.pipeline.preview.request import CALIBRATION_IMAGES
from engine.search import study
from engine.search.evaluation import VALIDATION_IMAGES
from engine.search.study import Studies
from engine.search.work import untouched_spec
from engine.spec.run import RunSpec
from engine.spec.search import space
from engine.spec.search.document import Document
from engine.storage.store import Store

_PASSES = 4  # of the calibration images through a network, as of a run's refit


def expect(store: Store, document: Document, at_once: int) -> dict[str, Any]:
    """How many trials and runs are left, and about how long they take together. RequestError for what cannot be."""
    done = recovered = 0
    known: list[float] = []
    if study.path_of(store, document.name).exists():
        with study.open_studies(store, document) as studies:
            done, recovered, known = len(studies.outcomes()), len(studies.recoveries()), _seconds(studies)
    training, run = _training(store, document)
    trial = sum(known) / len(known) if known else _trial(document)
    runs = max(0, document.recover - recovered)
    rounds = -(-runs // max(1, at_once))  # runs that go on at once end at once
    seconds = training + trial * max(0, document.trials - done) + run * rounds
    return {
        "name": document.name,
        "trials": document.trials,
        "done": done,
        "recover": document.recover,
        "recovered": recovered,
        "at_once": min(at_once, max(1, runs)),
        "trial_seconds": trial,
        "run_seconds": run,
        "seconds": seconds,
    }


def _seconds(studies: Studies) -> list[float]:
    """What trials took that were measured already."""
    return [float(each.attributes["seconds"]) for each in studies.outcomes()]


def _usual(document: Document, keep: float) -> RunSpec:
    starts = {each.name: each.value(each.start()) for each in document.space}
    return space.parse(document.spec, {**starts, "target.keep": keep})


def _training(store: Store, document: Document) -> tuple[float, float]:
    """Seconds until the untouched network is there, and of a run of half its size that starts from it."""
    from engine.jobs.sweep import forecast
    from engine.search.work import is_trained

    untouched, usual = untouched_spec(document, document.spec), _usual(document, 0.5)
    entries = [Entry(untouched), Entry(usual)]
    jobs = forecast.jobs_of([untouched, usual], store.root)
    both = forecast.expect(entries, jobs, 1, document.threads).seconds
    alone = forecast.expect(entries[:1], jobs, 1, document.threads).seconds
    there = untouched.weights != "none" or is_trained(store, untouched)
    return (0.0 if there else alone), both - alone


def _trial(document: Document) -> float:
    """Seconds of a trial: its cut, its refit, and two looks at the validation images."""
    from engine.pipeline.duration import speed

    compute_with(document.threads)
    spec = _usual(document, 0.5)
    images = (spec.recover.calibration_images or CALIBRATION_IMAGES) * _PASSES + 2 * VALIDATION_IMAGES
    return CUT_SECONDS + REFIT_SECONDS + images * speed.measure(spec).evaluate
