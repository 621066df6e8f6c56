"""The study of a search in its file: SQLite, as Optuna writes it and `optuna-dashboard` opens it. No torch.

Two studies stand there: one of all trials, under the search's name, and one of those that were trained on, under the
name with `RECOVERED` behind it. Their values are accuracy on validation images, then the costs.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import RequestError, WorkError
from engine.search import outcome
from engine.search.outcome import Measured, Outcome
from engine.spec.ids import digest_of
from engine.spec.search.document import Document
from engine.spec.search.space import Choice, Dimension
from engine.storage import files
from engine.storage.atomic import as_work_error
from engine.storage.store import Store

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

RECOVERED = " · recovered"
WARM_STARTS = 8  # trials that begin a search: the start of every setting, at this many ratios to keep
SPEC, DIGEST, ERROR, SAME = "spec", "digest", "error", "same as trial"  # attributes of trials
GAIN = "share of the loss brought back"  # of those that were trained on
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. +-]*")
_DOCUMENT = "document"


def path_of(store: Store, name: str) -> Path:
    """The file of a search: its name where that can be a file's, else a digest of it."""
    file = name if _PLAIN_NAME.fullmatch(name) else digest_of(name)
    return store.root / "searches" / f"{file}.db"


@dataclass(frozen=True)
class Studies:
    """Both studies of a search, open."""

    document: Document
    path: Path
    trials: "Study"
    recovered: "Study"

    def outcomes(self) -> list[Outcome]:
        """Of the trials that were measured, each network once."""
        return [Outcome.of(trial, self.document) for trial in complete(self.trials) if SAME not in trial.user_attrs]

    def recoveries(self) -> list[Outcome]:
        """Of those that were trained on."""
        return [Outcome.of(trial, self.document) for trial in complete(self.recovered)]


@contextmanager
def open_studies(
    store: Store,
    document: Document,
    sampler: "BaseSampler | None" = None,
    training_sampler: "BaseSampler | None" = None,
    *,
    warm: bool = True,
) -> Iterator[Studies]:
    """The studies of a search, made where there are none; its file is closed in the end.

    Other samplers, and no `warm` starts, are for comparisons.

    RequestError where the file is another search's; WorkError where it cannot be read or written, also inside.
    """
    import optuna

    store.prepare()
    path = path_of(store, document.name)
    with as_work_error(path.parent):
        if not path.parent.is_dir():
            files.make_folder(path.parent)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors(path):
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})
        try:
            of_trials = sampler or _sampler(storage, document)
            of_training = training_sampler or _training_sampler(storage, document)
            yield Studies(
                document,
                path,
                _study(storage, document, document.name, of_trials, warm=warm),
                _study(storage, document, document.name + RECOVERED, of_training),
            )
        finally:
            storage.remove_session()
            storage.engine.dispose()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """What the database objects to inside, as one WorkError."""
    import sqlalchemy.exc
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        said = " ".join(str(error.__cause__ or error).split())
        if "disk is full" in said:
            sentence = f"the disk is full: {path} could not be written; free some space and give the same command again"
        elif "locked" in said:
            sentence = f"{path} is locked by another program; close it and give the same command again"
        elif "readonly" in said or "unable to open" in said:
            sentence = f"{path} cannot be written; see who may write there, and give the same command again"
        else:
            sentence = f"{path} is damaged or no search's: {said[:200]}; put it away and give the same command again"
        raise WorkError(sentence) from error


def in_state(study: "Study", state: Literal["COMPLETE", "RUNNING", "WAITING", "FAIL"]) -> "list[FrozenTrial]":
    """The trials of a study in one of Optuna's states."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState[state],))


def complete(study: "Study") -> "list[FrozenTrial]":
    """Those that have values."""
    return in_state(study, "COMPLETE")


def unfinished(study: "Study") -> "list[FrozenTrial]":
    """Those that were begun and have neither values nor an error."""
    return in_state(study, "RUNNING")


def waiting(study: "Study") -> "Iterator[Trial]":
    """Those that were enqueued, begun one after the other."""
    while in_state(study, "WAITING"):
        yield study.ask()


def resumed(study: "Study", trial: "FrozenTrial") -> "Trial":
    """A trial that another process began, to go on with."""
    import optuna

    return optuna.Trial(study, trial._trial_id)


def give_back(study: "Study") -> None:
    """Trials that a process left in the middle are marked as failed, and wait to be done again."""
    for trial in unfinished(study):
        fail(study, resumed(study, trial), "its process ended in the middle; it is done again")
        study.enqueue_trial(trial.params)


def fail(study: "Study", trial: "Trial", sentence: str) -> None:
    """A trial came to nothing, because of what a sentence says."""
    from optuna.trial import TrialState

    trial.set_user_attr(ERROR, sentence)
    study.tell(trial, state=TrialState.FAIL)


def tell(
    study: "Study", trial: "Trial", document: Document, measured: Measured, more: Mapping[str, Any] | None = None
) -> Outcome:
    """A trial's values, how far it exceeds constraints, and what people read beside; `more` are further attributes."""
    over = outcome.excess(measured, document.constraints)
    for cost, share in over.items():
        trial.set_constraint(cost, share)
    kept = all(share <= 0 for share in over.values())
    for name, value in {**outcome.attributes(measured, kept=kept), **(more or {})}.items():
        trial.set_user_attr(name, value)
    return Outcome.of(study.tell(trial, outcome.values(measured, document.costs)), document)


def suggest(trial: "Trial", dimensions: tuple[Dimension, ...]) -> dict[str, Any]:
    """A value for each dimension, by its name, as a spec has it."""
    found: dict[str, Any] = {}
    for each in dimensions:
        if isinstance(each, Choice):
            found[each.name] = each.value(trial.suggest_categorical(each.name, each.labels))
        elif each.whole:
            found[each.name] = each.value(trial.suggest_int(each.name, int(each.low), int(each.high), log=each.log))
        else:
            found[each.name] = each.value(trial.suggest_float(each.name, each.low, each.high, log=each.log))
    return found


def warm_starts(dimensions: tuple[Dimension, ...]) -> Iterator[dict[str, Any]]:
    """Where a search begins: the start of every setting, at ratios to keep that are spread over their range."""
    for number in range(WARM_STARTS):
        share = (number + 0.5) / WARM_STARTS
        yield {each.name: each.at(share) if each.name == "target.keep" else each.start() for each in dimensions}


def _sampler(storage: Any, document: Document) -> "BaseSampler":
    """A search's own."""
    from engine.search.sampler import FrontSampler

    return FrontSampler(document.seed + _begun(storage, document.name))


def _training_sampler(storage: Any, document: Document) -> "BaseSampler":
    from engine.search.sampler import TrainingSampler

    names = [each.name for each in document.recovery_space()]
    return TrainingSampler(document.seed + _begun(storage, document.name + RECOVERED), names, GAIN)


def _begun(storage: Any, name: str) -> int:
    """Trials of a study: one that goes on draws other numbers than it did before."""
    names = {study.study_name: study._study_id for study in storage.get_all_studies()}
    return storage.get_n_trials(names[name]) if name in names else 0


def _study(storage: Any, document: Document, name: str, sampler: "BaseSampler", *, warm: bool = False) -> "Study":
    import optuna

    directions: list[Literal["minimize", "maximize"]] = ["maximize"]
    directions += ["minimize" for _ in document.costs]
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, directions=directions, load_if_exists=True, sampler=sampler
        )
    except ValueError:  # another number of objectives
        raise _other(document) from None
    known: Mapping[str, Any] = study.user_attrs
    if _DOCUMENT not in known:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # names for the dashboard's axes
            study.set_metric_names(["accuracy", *document.costs])
        for start in warm_starts(document.network_space()) if warm else ():
            study.enqueue_trial(start, skip_if_exists=True)
        study.set_user_attr(_DOCUMENT, document.digest())
    elif known[_DOCUMENT] != document.digest():
        raise _other(document)
    return study


def _other(document: Document) -> RequestError:
    return RequestError(
        f"the search {document.name} has begun with another spec, space, objectives, constraints or threads; name this "
        "one otherwise, or put them back (trials, recover and seed may change)",
        field="name",
    )
