"""The storage of MLflow and of Optuna, each in SQLite, asked what the dashboard asks of ours: a table of all runs.

`python rivals.py NAME DATABASE REQUESTS` prints JSON; by an interpreter that has them (`requirements.txt` beside this).
It imports nothing of this project, and REQUESTS is the JSON of each run's settings and figures. A run of theirs has the
settings and the figures of its best point, where ours has those of four.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TRIES = 3
_BATCH = 2_000


def mlflow(database: str, runs: list[dict[str, Any]]) -> Callable[[], Any]:
    """Fills MLflow's tables; what reads them, once a run has changed."""
    from mlflow.entities import Metric, RunStatus, ViewType
    from mlflow.store.tracking.dbmodels import models
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking import MlflowClient

    store = SqlAlchemyStore(f"sqlite:///{database}", str(Path(database).with_suffix(".files")))
    experiment = store.create_experiment("pruning")
    first = store.create_run(experiment, "user", 1000, [], "the first").info.run_id
    for start in range(0, len(runs), _BATCH):
        with store.ManagedSessionMaker() as session:
            like = session.get(models.SqlRun, first)
            shared = {"experiment_id": like.experiment_id, "source_type": like.source_type, "user_id": "user"}
            for number, run in enumerate(runs[start : start + _BATCH], start):
                run_id = f"{number:032x}"
                state = {"status": RunStatus.to_string(RunStatus.FINISHED), "lifecycle_stage": "active"}
                times = {"start_time": number, "end_time": number + 1, "artifact_uri": f"file:///{run_id}"}
                session.add(models.SqlRun(run_uuid=run_id, name=run_id, **shared, **state, **times))
                settings = run["settings"].items()
                session.add_all(models.SqlParam(run_uuid=run_id, key=key, value=str(value)) for key, value in settings)
                for key, value in run["figures"].items():
                    figure = {"run_uuid": run_id, "key": key, "value": value, "timestamp": number, "step": 0}
                    session.add(models.SqlMetric(**figure, is_nan=False))
                    session.add(models.SqlLatestMetric(**figure, is_nan=False))
    client = MlflowClient(f"sqlite:///{database}")

    def read() -> Any:
        import pandas

        rows, token = [], None
        while True:
            page = client.search_runs([experiment], "", ViewType.ACTIVE_ONLY, 50_000, page_token=token)
            rows += [{**run.data.params, **run.data.metrics} for run in page]
            token = page.token
            if not token:
                return pandas.DataFrame(rows)

    def change_and_read() -> tuple[float, int]:
        store.log_metric(f"{1:032x}", Metric("changed", time.time(), int(time.time() * 1000), 0))
        return _timed(read)

    return change_and_read


def optuna(database: str, runs: list[dict[str, Any]]) -> Callable[[], Any]:
    """The same of Optuna."""
    import optuna as package
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    package.logging.set_verbosity(package.logging.ERROR)
    package.create_study(storage=f"sqlite:///{database}", study_name="pruning", directions=["minimize", "maximize"])
    values = {key: sorted({str(run["settings"][key]) for run in runs}) for key in runs[0]["settings"]}
    # Of a setting with many values its own text is the choice: a list of ten thousand would stand in every row.
    spaces: dict[str, BaseDistribution] = {
        key: CategoricalDistribution(found) for key, found in values.items() if len(found) <= 100
    }
    study = package.load_study(storage=f"sqlite:///{database}", study_name="pruning")
    study.add_trials(
        create_trial(
            state=TrialState.COMPLETE,
            params={key: str(run["settings"][key]) for key in spaces},
            distributions=spaces,
            values=[run["figures"]["macs"], run["figures"]["top1"]],
            user_attrs={key: value for key, value in run["figures"].items() if key not in ("macs", "top1")},
        )
        for run in runs
    )

    def change_and_read() -> tuple[float, int]:
        study.set_user_attr("changed", time.time())
        reader = package.load_study(storage=f"sqlite:///{database}", study_name="pruning")
        return _timed(reader.trials_dataframe)

    return change_and_read


def _timed(read: Callable[[], Any]) -> tuple[float, int]:
    started = time.process_time()
    rows = len(read())
    return time.process_time() - started, rows


def main(arguments: list[str]) -> None:
    name, database, requests = arguments
    runs = json.loads(Path(requests).read_text(encoding="utf-8"))
    ask = {"mlflow": mlflow, "optuna": optuna}[name](database, runs)
    answers = [ask() for _ in range(_TRIES)]
    version = sys.modules[name].__version__
    print(json.dumps({"version": version, "seconds": min(seconds for seconds, _ in answers), "rows": answers[-1][1]}))


if __name__ == "__main__":
    main(sys.argv[1:])
