"""Timings on devices: their folders, their place in the index, and what they measured beside the points."""

import pytest

from engine.errors import RequestError, WorkError
from engine.jobs.queue import Queue
from engine.spec import board_timing
from engine.storage.store import Store
from engine.storage.timings.job import Timing
from engine.storage.timings.layers import LayerProfile
from tests.support.runs import finished, timing
from tests.support.standin import make_spec


def request(device: str = "tx2", **more: object) -> board_timing.TimingRequest:
    return board_timing.parse({"device": device, "points": [{"run": "20260131-095959-0a1b2c3d", "point": 1}], **more})


def test_a_timing_is_a_job_beside_the_runs_and_never_among_them(store: Store) -> None:
    job = store.create_timing(request(precision="fp16"))
    assert store.runs() == [] and store.points() == []
    (summary,) = store.timings()
    assert (summary["job_id"], summary["device"], summary["state"]) == (job.id, "tx2", "queued")
    assert summary["points"] == [{"run": "20260131-095959-0a1b2c3d", "point": 1}] and summary["precision"] == "fp16"
    again = store.job(job.id)
    assert isinstance(again, Timing) and again.spec() == request(precision="fp16") and again.root == store.root
    with pytest.raises(RequestError, match="there is no run"):
        store.run(job.id)
    store.delete(job.id)
    assert store.timings() == []


def test_every_device_is_a_lane_beside_this_computer(store: Store) -> None:
    queue = Queue(store)
    run = queue.submit(make_spec())
    first, second = queue.submit_timing(request("tx2")), queue.submit_timing(request("tx2", precision="fp16"))
    other = queue.submit_timing(request("nano"))
    busy: list[str] = []
    started = []
    while listed := queue.next(busy):
        started.append(listed.job.id)
        busy.append(listed.lane)
    assert started == [run.id, first.id, other.id] and second.id in queue.queued_ids()


def test_what_devices_measured_stands_among_a_points_latencies_the_last_of_each_kind(store: Store) -> None:
    run = finished(store, make_spec())
    base = {"precision": "fp16", "power_mode": None, "clocks_locked": None}
    token = store.token()
    for p50 in (3.0, 2.0):
        run.append_measurement(timing(0, **base, p50_ms=p50))
    for p50, otherwise in ((4.0, {"precision": "fp32"}), (5.0, {"power_mode": "MAXQ"}), (1.5, {"clocks_locked": True})):
        run.append_measurement(timing(0, **{**base, **otherwise}, p50_ms=p50))
    assert store.token() != token
    point = store.points()[0]
    assert [entry["p50_ms"] for entry in point["latency"][1:]] == [2.0, 4.0, 5.0, 1.5]
    assert {entry["where"] for entry in point["latency"][1:]} == {"tx2"}
    assert len(run.measurements()) == 5 and len(run.points()[0].latency) == 1


def test_gallery_runs_are_only_read_so_their_timings_lie_elsewhere(store: Store) -> None:
    finished_run = finished(store, make_spec())
    store.gallery.mkdir()
    finished_run.path.rename(store.gallery / finished_run.id)
    run = store.run(finished_run.id)
    before, token = sorted(run.path.rglob("*")), store.token()
    run.append_measurement(timing(1, p50_ms=2.5))
    assert store.token() != token and sorted(run.path.rglob("*")) == before
    assert store.points()[1]["latency"][-1]["p50_ms"] == 2.5
    assert store.run(finished_run.id).measurements()[0].device == "tx2"


def test_a_setting_that_came_later_leaves_digests_alone_where_it_is_not_said() -> None:
    assert request().digest() == "bd2fc67b" != request(workspace=2048).digest()
    earlier = {key: value for key, value in request().model_dump(mode="json").items() if key != "workspace"}
    assert board_timing.parse(earlier) == request()


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "; rm -rf ~"},
        {"device": "-tx2"},
        {"device": ""},
        {"points": []},
        {"points": [{"run": "../../etc", "point": 0}]},
        {"points": [{"run": "20260131-095959-0a1b2c3d", "point": -1}]},
        {"points": [{"run": "20260131-095959-0a1b2c3d", "point": 1}] * 2},
        {"precision": "int8"},
        {"rounds": 0},
        {"power_mode": 99},
        {"workspace": 0},
        {"workspace": "1 GiB"},
        {"password": "secret"},
    ],
)
def test_what_may_not_be_asked_for_is_refused_in_one_sentence(settings: dict[str, object]) -> None:
    with pytest.raises(RequestError) as refused:
        board_timing.parse({"device": "tx2", "points": [{"run": "20260131-095959-0a1b2c3d", "point": 1}], **settings})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


def test_the_layers_of_a_timing_lie_in_its_folder_by_their_point_and_are_checked(store: Store) -> None:
    job = store.create_timing(request())
    assert job.layers() == []
    made = LayerProfile(run=request().points[0].run, point=1, tool="trtexec", precision="fp32", why="out of memory")
    job.keep_layers(made)
    assert job.layers() == [made]
    file = job.path / "layers" / f"{request().points[0]}.json"
    file.write_text(file.read_text().replace('"trtexec"', "7"))
    with pytest.raises(WorkError, match="tool is 7"):
        job.layers()


def test_a_request_with_the_layers_has_the_digest_that_it_had_before_there_were_any() -> None:
    assert (request().digest(), request(precision="fp16", rounds=5).digest()) == ("bd2fc67b", "54c5c9e4")
    assert request(layers=False).digest() not in ("bd2fc67b", request(layers=False, rounds=5).digest())
