"""Tiny stand-ins for the pipeline, and the processes that the tests start.

`python -m tests.support.standin ROLE RESULTS …` has the roles of `main`. The steady pipeline is a chain of hashes:
every epoch follows from the one before, so its points tell whether anything was lost, repeated or mixed up on the way.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.jobs import child, crew, worker
from engine.jobs.queue import Queue
from engine.spec import run as specs
from engine.storage.atomic import read_json, write_json
from engine.storage.folders.run import Run
from engine.storage.records.event import Note
from engine.storage.store import Store
from tests.support import runs

EPOCHS_A_POINT = 5


def make_spec(seed: int = 0, epochs: int = 30, **changes: object) -> specs.RunSpec:
    return specs.parse({"data": {"name": "digits"}, "train": {"epochs": epochs}, "seed": seed, **changes})


def steady(spec: specs.RunSpec, run: Run, pause: float = 0.02) -> None:
    """`spec.train.epochs` epochs, a point after every fifth; goes on from the checkpoint of the last epoch."""
    saved = run.checkpoint_file(0).with_name("state.json")
    state: dict[str, Any] = read_json(saved) if saved.exists() else {"epoch": 0, "value": spec.digest()}
    while state["epoch"] < spec.train.epochs:
        time.sleep(pause)
        value = hashlib.sha256(str(state["value"]).encode()).hexdigest()
        state = {"epoch": state["epoch"] + 1, "value": value}
        run.append_event(runs.epoch(state["epoch"], spec.train.epochs))
        number = state["epoch"] // EPOCHS_A_POINT
        if state["epoch"] % EPOCHS_A_POINT == 0 and len(run.points()) < number:
            top1 = int(value[:8], 16) / 16**8
            run.append_point(runs.point(number - 1, "baseline" if number == 1 else "pruned", 1.0, top1))
        run.update(progress=state["epoch"] / spec.train.epochs)
        write_json(saved, state)


def quick(spec: specs.RunSpec, run: Run) -> None:
    """The same without its pauses."""
    steady(spec, run, pause=0.0)


def stubborn(spec: specs.RunSpec, run: Run) -> None:
    """Does not end when asked to, and neither does a process that it has started."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    text = str(grandchild.pid)
    while True:
        try:
            run.append_event(Note(text=text))
            time.sleep(600)
        except KeyboardInterrupt:
            text = "ignored"


def lost(spec: specs.RunSpec, run: Run) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failing(spec: specs.RunSpec, run: Run) -> None:
    raise WorkError("the loss was not finite after epoch 3; a smaller learning rate helps")


def broken(spec: specs.RunSpec, run: Run) -> None:
    raise ValueError("a surprise")


PIPELINES = {f.__name__: f for f in (steady, quick, stubborn, lost, failing, broken)}


def dashboard(store: Store, acknowledged: Path, enough: Path, kind: str) -> None:
    """Submits, reads and keeps a worker going, as the dashboard does; no more submissions once `enough` exists."""
    queue = Queue(store)
    while True:
        if not enough.exists() and len(queue.queued_ids()) < 2:
            run = queue.submit(make_spec(seed=len(store.runs())))
            with acknowledged.open("a") as file:
                file.write(run.id + "\n")
        worker.start_detached(store, lambda s: worker_command(s, kind))
        store.runs(), store.points(), store.token()
        time.sleep(0.05)


def look(store: Store, pause: float = 0.2) -> None:
    """Looks at all there is and keeps a worker going, as an open page does."""
    while True:
        worker.replace_lost(store)
        store.runs(), store.points(), store.token()
        time.sleep(pause)


def serve(store: Store, port: str) -> int:
    """The real dashboard, and in the same process what its pages do when somebody looks at them."""
    from engine.cli.main import main as main_of_commands  # a third of what the other roles import

    threading.Thread(target=look, args=(store, 1.0), daemon=True).start()
    return main_of_commands(["app", "--port", port, "--results", str(store.root)])


def disturb(store: Store, seed: int, count: int) -> None:
    """Cancels, resumes and deletes jobs at random, and prints what it did; that others were faster is no error."""
    rng, queue = random.Random(seed), Queue(store)
    actions = {"cancelled": queue.cancel, "resumed": queue.resume, "deleted": store.delete}
    for _ in range(count):
        word = rng.choices(list(actions), (6, 3, 1))[0]
        run_ids = [row["run_id"] for row in store.runs()]
        if not run_ids:
            return
        run_id = rng.choice(run_ids)
        try:
            actions[word](run_id)
        except RequestError:
            continue
        print(word, run_id)


def child_command(kind: str) -> crew.Command:
    return lambda store, run: [sys.executable, "-m", "tests.support.standin", "child", str(store.root), run.id, kind]


def worker_command(store: Store, kind: str = "steady") -> list[str]:
    return [sys.executable, "-m", "tests.support.standin", "worker", str(store.root), kind]


def main(role: str, root: str, *rest: str) -> int:
    try:
        if role == "child":
            return child.main([root, rest[0]], PIPELINES[rest[1]])
        if role == "worker":
            return worker.main([root], child_command(rest[0]))
        store = Store(Path(root), gallery=Path(root) / "gallery")
        if role == "look":
            look(store)
        elif role == "serve":
            return serve(store, rest[0])
        elif role == "dashboard":
            dashboard(store, Path(rest[0]), Path(rest[1]), rest[2])
        elif role == "disturb":
            disturb(store, int(rest[0]), int(rest[1]))
        elif role == "submit":
            for seed in range(int(rest[0])):
                print(Queue(store).submit(make_spec(seed=seed, epochs=int(rest[1]) if rest[1:] else 30)).id)
    except (RequestError, WorkError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
