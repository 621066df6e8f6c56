"""Runs as jobs of SLURM: real processes, under commands that print and obey what SLURM's own do."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import RequestError, WorkError
from engine.jobs.executors.slurm import commands, report, request
from engine.jobs.executors.slurm.array import create, listed
from engine.jobs.executors.slurm.cluster import End, Needs, Place, Standing
from engine.jobs.executors.slurm.executor import SubmititExecutor, withdraw
from engine.jobs.executors.slurm.report import Report
from engine.jobs.executors.slurm.submission import HereCluster, SlurmCluster
from engine.jobs.executors.slurm.task import Task
from engine.jobs.executors.slurm.watch import BadNode, Watched
from engine.jobs.executors.versions import differences
from engine.jobs.queue import Queue
from engine.storage.folders.run import Run
from engine.storage.records.event import CrashEvent, Epoch
from engine.storage.store import Store
from tests.support import slurm, standin
from tests.support.standin import make_spec
from tests.support.storm import own, started, wait_for
from tests.support.sweeps import InlineExecutor, drive, on_slurm

SECONDS = 120.0  # that anything here may take on a machine that does much else


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a SLURM whose commands are in PATH."""
    folder = slurm.installed(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def points(store: Store) -> list[list[object]]:
    runs = sorted((store.run(row["run_id"]) for row in own(store)), key=lambda run: run.spec().seed)
    return [[point.without_clock() for point in run.points()] for run in runs]


def meanwhile(act: Callable[[], object]) -> threading.Thread:
    """Acts beside an executor, which works in this thread."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def running(store: Store) -> Run | None:
    """The run whose child has made a few steps."""
    runs = [store.run(row["run_id"]) for row in own(store)]
    return next((run for run in runs if len(run.events(Epoch)) > 5), None)


def test_arrays_of_jobs_give_the_points_of_this_computer_and_say_what_they_ask_for(
    store: Store, cluster: Path, tmp_path: Path
) -> None:
    specs = [make_spec(seed, 10) for seed in range(4)]
    driver = drive(store, specs, on_slurm(store, places=3, kind="quick"))
    assert driver.tally().done == 4 and driver.problem is None
    here = Store(tmp_path / "here", gallery=tmp_path / "gallery")
    here.prepare()
    drive(here, specs, InlineExecutor())
    assert points(store) == points(here)
    assert [job["id"] for job in slurm.jobs(cluster)] == ["1_0", "1_1", "2", "3"], "an array has MaxArraySize at most"
    script = slurm.submission(cluster, 1).splitlines()
    for line in ("--array=0-1%2", "--cpus-per-task=1", f"--time={request.MINUTES}", "--requeue", "--signal=USR2@120"):
        assert f"#SBATCH {line}" in script
    assert not [line for line in script if "--partition" in line or "wckey" in line or "gres" in line]
    assert any("srun" in line and "--cpus-per-task=1" in line for line in script)
    log = "\n".join(store.run(driver.run_ids[0]).log_tail())
    assert "waits for a node, as SLURM job 1_0" in log and "SLURM job 1_0 has begun on" in log
    assert not list((store.root / "slurm").iterdir()), "what no job needs any more is gone"


def test_what_is_asked_for_stands_in_the_script(store: Store, cluster: Path) -> None:
    slurm.hold(cluster, True)
    asked = request.Request("gpu", 90, {"mem": "8G", "exclude": "n9"})
    slurms = SlurmCluster(asked)
    slurms.avoid("n7")
    array = create(store.root, ["a run"])
    task = Task(str(store.folder), str(array.report(0)), ("true",), 1.0, {})
    (job,) = slurms.submit(array.folder, [task], Needs(4, gpu=True))
    assert slurms.standings() == {Place(array.name, 0): Standing(job, waits=True)}
    script = slurm.submission(cluster, 1).splitlines()
    for line in ("partition=gpu", "time=90", "mem=8G", "exclude=n9,n7", "gres=gpu:1", "cpus-per-task=4", "requeue"):
        assert f"#SBATCH --{line}" in script
    assert f"#SBATCH --job-name={array.name}" in script
    assert withdraw(store, slurms, ["another run"]) == 0 and withdraw(store, slurms, ["a run"]) == 1
    assert slurms.standings() == {} and slurms.end_of(job) == End("CANCELLED")


def test_a_job_whose_node_is_wanted_keeps_its_steps_and_goes_on_in_the_next(store: Store, cluster: Path) -> None:
    def preempt() -> None:
        wait_for(lambda: running(store), SECONDS)
        slurm.preempt(cluster, slurm.jobs(cluster)[0])

    thread = meanwhile(preempt)
    driver = drive(store, [make_spec(0, 60)], on_slurm(store))
    thread.join()
    (run,) = [store.run(run_id) for run_id in driver.run_ids]
    epochs = [epoch.epoch for epoch in run.events(Epoch)]
    assert driver.tally().done == 1 and sorted(set(epochs)) == list(range(1, 61)), "an epoch is missing"
    assert len(epochs) <= 61, "more was repeated than the epoch in which the run was stopped"
    (job,) = slurm.jobs(cluster)
    assert job["starts"] == 2 and "goes on" in "\n".join(run.log_tail(200))


def test_a_run_whose_node_is_lost_goes_on_where_its_job_is_started_again(store: Store, cluster: Path) -> None:
    def lose() -> None:
        run = wait_for(lambda: running(store), SECONDS)
        child = run.lock.owner()
        assert child is not None
        slurm.lose(cluster, slurm.jobs(cluster)[0])
        child.signal(signal.SIGKILL)

    thread = meanwhile(lose)
    driver = drive(store, [make_spec(0, 60)], on_slurm(store))
    thread.join()
    (run,) = [store.run(run_id) for run_id in driver.run_ids]
    assert driver.tally().done == 1 and len(run.points()) == 60 // standin.EPOCHS_A_POINT
    (job,) = slurm.jobs(cluster)
    assert job["starts"] == 2 and len(run.events(CrashEvent)) == 1


def test_who_comes_after_a_killed_process_watches_its_jobs_and_submits_none_twice(store: Store, cluster: Path) -> None:
    slurm.hold(cluster, True)
    driver = started([sys.executable, "-m", "tests.support.sweeps", str(store.root), "2", "20", "slurm"])
    wait_for(lambda: len(slurm.jobs(cluster)) == 2, SECONDS)
    wait_for(lambda: len([run for run in own(store) if "waits for a node" in run["message"]]) == 2, SECONDS)
    driver.kill()
    driver.wait()
    slurm.hold(cluster, False)
    assert drive(store, [make_spec(seed, 20) for seed in range(2)], on_slurm(store)).tally().done == 2
    assert len(slurm.jobs(cluster)) == 2 and len(own(store)) == 2
    assert [len(store.run(run["run_id"]).events(Epoch)) for run in own(store)] == [20, 20]


def test_cancelled_runs_leave_the_cluster_whether_they_wait_or_work(store: Store, cluster: Path) -> None:
    slurm.hold(cluster, True)

    def cancel() -> None:
        wait_for(lambda: len(slurm.jobs(cluster)) == 2, SECONDS)
        Queue(store).cancel(own(store)[0]["run_id"])
        wait_for(lambda: "CANCELLED" in [job["state"] for job in slurm.jobs(cluster)], SECONDS)
        slurm.hold(cluster, False)
        wait_for(lambda: running(store), SECONDS)
        (left,) = [job["id"] for job in slurm.jobs(cluster) if job["state"] == "RUNNING"]
        subprocess.run(["scancel", left], check=True)  # by its user, at the cluster

    thread = meanwhile(cancel)
    driver = drive(store, [make_spec(seed, 5000) for seed in range(2)], on_slurm(store))
    thread.join()
    assert driver.tally().cancelled == 2 and {run["state"] for run in own(store)} == {"cancelled"}
    assert {job["state"] for job in slurm.jobs(cluster)} == {"CANCELLED"}


def test_what_keeps_all_jobs_from_beginning_is_said_in_one_sentence_and_leaves_nothing(
    store: Store, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(executor: SubmititExecutor) -> str:
        with pytest.raises(WorkError) as raised:
            drive(store, [make_spec()], executor)
        assert not [job for job in slurm.jobs(cluster) if job["state"] in slurm.LIVING]
        assert not list((store.root / "slurm").iterdir())
        return str(raised.value)

    nowhere = on_slurm(store)
    monkeypatch.setattr(nowhere._cluster, "_request", request.Request(partition="nowhere"))
    assert refused(nowhere) == (
        "sbatch refused the jobs: Batch job submission failed: Invalid partition name specified"
    )
    older = on_slurm(store)
    monkeypatch.setattr(older, "_versions", {**older._versions, "torch": "1.0"})
    assert "torch 2.12.0 and not 1.0; give both the same versions" in refused(older).replace("+cpu", "")
    (cluster / "blind").touch()
    said = refused(on_slurm(store))
    assert "ended before Espalier began on the node n1, and left nothing in" in said and str(store.root) in said
    (cluster / "blind").unlink()
    assert drive(store, [make_spec()], on_slurm(store, kind="quick")).tally().done == 1
    assert len(own(store)) == 1


def test_this_computer_stands_in_for_a_cluster_and_stops_politely(store: Store) -> None:
    stop, seen = threading.Event(), set[str]()

    def look_and_stop() -> None:
        wait_for(lambda: running(store), SECONDS)
        jobs = {place.array for place in HereCluster().standings() or {}}  # as who comes next sees them
        seen.update(jobs & {array.name for array in listed(store.root)})
        stop.set()

    thread = meanwhile(look_and_stop)
    executor = SubmititExecutor(store, HereCluster(), 2, standin.child_command("steady"))
    driver = drive(store, [make_spec(seed, 5000) for seed in range(3)], executor, stopped=stop.is_set)
    thread.join()
    assert seen and driver.counts["interrupted"] >= 1 and {run["state"] for run in own(store)} <= {"interrupted"}
    assert not any(store.run(run["run_id"]).lock.is_taken() for run in own(store))


def test_a_node_that_does_not_see_this_computers_locks_begins_no_run(store: Store) -> None:
    run = store.create(make_spec(), foreground=True)
    array = create(store.root, [run.id])
    watched = Watched(run, HereCluster(), array, 0, "17", own=True)
    report.write(array.report(0), Report(1, "n7", "waits", saw_lock=False))
    with pytest.raises(BadNode, match="the node n7 does not see the locks of this computer"):
        watched.step(stopping=False)
    assert run.lock.is_held() and not watched.has_begun
    adopted = Watched(run, HereCluster(), array, 0, "17")  # a process died meanwhile, and its lock with it
    assert not adopted.step(stopping=False) and not run.lock.is_held()


def test_a_damaged_report_is_none(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    for text in ("", "[]", '{"starts": "1"}', '{"starts": 1, "host": "n", "phase": "sleeps", "saw_lock": true}'):
        place.write_text(text)
        assert report.read(place) is None
    report.write(place, Report(2, "n", "works", saw_lock=True))
    assert report.read(place) == Report(2, "n", "works", saw_lock=True)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("1:30", 2), ("1:30:00", 90), ("1-12", 2160), ("2-00:30", 2910), ("0-00:00:30", 1)],
)
def test_times_are_read_as_slurm_writes_them(text: str, minutes: int) -> None:
    assert request.minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "0", "1:2:3:4", "-5", "1:", "1-"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is no time"):
        request.minutes(text)


def test_further_options_of_sbatch_are_taken_but_for_those_that_are_espaliers() -> None:
    asked = request.read("gpu", "90", ["mem=8G", "--exclusive", "account=lab"])
    assert asked == request.Request("gpu", 90, {"mem": "8G", "exclusive": True, "account": "lab"})
    for option in ("mem=", "Mem=8", "; rm"):
        with pytest.raises(RequestError, match="is no option"):
            request.read(None, None, [option])
    with pytest.raises(RequestError, match="array is set by Espalier itself"):
        request.read(None, None, ["array=0-5"])


def test_what_slurm_prints_is_read() -> None:
    said = "17_0|espalier-a|PENDING\n17_1|espalier-a|RUNNING\n18|odd|name|COMPLETING\n19_[2-3]|espalier-a|PENDING\n"
    assert commands.parse_standings(said) == {
        Place("espalier-a", 0): Standing("17_0", True),
        Place("espalier-a", 1): Standing("17_1", False),
        Place("odd|name", 0): Standing("18", False),
    }
    shown = "JobId=18 JobState=OUT_OF_MEMORY Reason=None ReqNodeList=(null) ExcNodeList=n9 NodeList=n[3-4] BatchHost=n3"
    assert commands.parse_end(shown) == End("OUT_OF_MEMORY", "n[3-4]")
    assert commands.parse_end("") == End()
    assert commands.refusal("sbatch: error: a\nsbatch: error: Batch job submission failed: b\n").endswith("failed: b")


def test_versions_that_differ_are_named_with_both() -> None:
    assert differences({"torch": "2.11.0", "Python": "3.12"}, {"torch": "2.12.0", "Python": "3.12"}) == (
        "torch 2.11.0 and not 2.12.0"
    )
    assert differences({"torch": "1"}, {"torch": "1"}) == ""
    assert "timm missing and not 1.0" in differences({}, {"timm": "1.0"})
