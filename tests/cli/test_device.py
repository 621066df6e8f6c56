"""The device commands: adding, trusting, probing, timing, and what each says in people's words and in JSON."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.queue import Queue
from tests.cli.conftest import Said
from tests.support.board_rig import Rig, own_home, rigged
from tests.support.storm import cleaned, wait_for

Espalier = Callable[..., Said]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    key = own_home(tmp_path)
    monkeypatch.setenv("HOME", str(key.parents[1]))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with rigged(tmp_path / "rig", key) as rig:
        yield rig


def test_a_device_is_added_listed_and_forgotten(espalier: Espalier, refused: Callable[..., str]) -> None:
    assert "device trust tx2" in espalier("device", "add", "tx2", "nvidia@10.0.0.5:2222", "--jump", "me@gate").out
    listed = espalier("device", "list", "--json").json()
    assert listed == [{"name": "tx2", "target": "nvidia@10.0.0.5:2222", "jump": "me@gate"}]
    assert "tx2" in espalier("device", "list").out
    assert "taken" in refused("device", "add", "tx2", "other@10.0.0.6")
    assert "tx2" in refused("device", "probe", "nano")
    assert espalier("device", "remove", "tx2", "--json").json() == {"name": "tx2", "removed": True}
    assert espalier("device", "list", "--json").json() == []


def test_a_key_is_trusted_only_by_consent(espalier: Espalier, here: Rig, refused: Callable[..., str]) -> None:
    espalier("device", "add", "board", here.sshd.target)
    fingerprint = here.sshd.fingerprint
    assert f"--fingerprint {fingerprint}" in refused("device", "trust", "board")
    assert "it was not trusted" in refused("device", "trust", "board", "--fingerprint", "SHA256:another")
    assert "device trust board" in refused("device", "probe", "board", code=1)
    answer = espalier("device", "trust", "board", "--fingerprint", fingerprint, "--json").json()
    assert (answer["fingerprint"], answer["state"], answer["trusted"]) == (fingerprint, "new", True)
    assert "trusted already" in espalier("device", "trust", "board").out
    here.sshd.restart(new_key=True)
    assert fingerprint in refused("device", "probe", "board", code=1)
    for options in ((), ("--fingerprint", fingerprint)):
        assert f"INSTEAD OF {fingerprint}, which was trusted until now" in refused("device", "trust", "board", *options)
    changed = espalier("device", "trust", "board", "--fingerprint", here.sshd.fingerprint, "--json").json()
    assert changed["state"] == "changed" and espalier("device", "probe", "board").code == 0


def test_a_probe_and_a_timing_from_the_command_line(espalier: Espalier, here: Rig, refused: Callable[..., str]) -> None:
    def call(*arguments: str) -> Said:
        return espalier(*arguments, results=here.store.root)

    probe = call("device", "probe", "tx2", "--json").json()
    assert (probe["jetson"], probe["l4t"], probe["tensorrt"]) == ("tx2", "32.7.1", "8.2.1")
    assert "32.7.1" in call("device", "probe", "tx2").out
    larger, smaller = here.points
    arguments = ("device", "time", "tx2", larger.run, "--point", str(larger.point), "--also", str(smaller))
    arguments += ("--rounds", "1", "--seconds", "0.2", "--precision", "fp16", "--no-layers")
    done: dict[str, Any] = call(*arguments, "--json").json()
    here.board.layers(here.onnx(larger), [("/conv1/Conv + /Relu", 1.5), ("(Unnamed Layer* 58) [Shuffle]", 0.5)])
    assert done["state"] == "done" and [m["point"] for m in done["measurements"]] == [larger.point, smaller.point]
    assert all(
        m["precision"] == "fp16" and m["p50_ms"] > 0 and m["interleaved_with"] == 1 for m in done["measurements"]
    )
    answer = call(
        "device", "time", "tx2", larger.run, "--point", str(larger.point), "--rounds", "1", "--seconds", "0.2"
    )
    assert answer.code == 0 and "trtexec 8.2.1" in " ".join(answer.out.split())
    assert "--layers` shows what every layer took" in answer.out
    answer = call("show", done["job_id"])
    assert "done: done" in answer.out and str(smaller) in answer.out
    assert [turn["round"] for turn in call("show", done["job_id"], "--json").json()["turns"]] == [1, 1]
    assert f"timing {done['job_id']} timed no layers" in refused(
        "device", "show", done["job_id"], "--layers", results=here.store.root
    )
    shown = " ".join(call("device", "show", "tx2", "--layers").out.split())
    assert f"{larger}: trtexec 8.2.1 fp32, 2 layers, 2.000 ms an inference over " in shown
    assert "conv1 1.5000 75.0 /conv1/Conv + /Relu" in shown
    assert "not named by TensorRT 0.5000 25.0 (Unnamed Layer* 58) [Shuffle]" in shown and "is no latency" in shown
    layers = call("device", "show", "tx2", "--layers", "--json").json()["layers"]
    assert [(row["layers"], row["ms"], row["share"]) for row in layers[0]["layers"]] == [
        (["conv1"], 1.5, 0.75),
        ([], 0.5, 0.25),
    ]
    assert call("device", "show", done["job_id"]).out == call("show", done["job_id"]).out
    assert "nothing was timed on 'nano'" in refused("device", "show", "nano", results=here.store.root)
    assert call("delete", done["job_id"]).code == 0
    assert [timing["state"] for timing in call("device", "timings", "--json").json()] == ["done"]


def test_a_queued_timing_is_listed_cancelled_and_taken_up_again(
    espalier: Espalier, here: Rig, refused: Callable[..., str]
) -> None:
    def call(*arguments: str) -> Said:
        return espalier(*arguments, results=here.store.root)

    assert "no timings yet" in call("device", "timings").out
    waiting = Queue(here.store).submit_timing(here.request()).id
    assert waiting in call("device", "timings").out
    assert "cancel that first" in refused("device", "remove", "tx2", results=here.store.root)
    assert "cancelled" in call("cancel", waiting).out
    assert "cancelled while nobody worked on it" in call("show", waiting).out
    with cleaned(here.store):
        # A worker may have taken it up by the time it is read.
        assert call("resume", waiting, "--json").json()["state"] in ("queued", "running")
        wait_for(lambda: here.store.timing(waiting).status().state == "done")
    assert call("device", "remove", "tx2").code == 0


def test_what_a_timing_may_not_ask_for(espalier: Espalier, here: Rig, refused: Callable[..., str]) -> None:
    point = here.points[0]
    command = ("device", "time", "tx2", point.run)
    number = str(point.point)

    def output_of(*arguments: str) -> str:
        return refused(*arguments, results=here.store.root)

    assert "9999" in output_of(*command, "--point", "9999")
    assert "twice" in output_of(*command, "--point", number, "--point", number)
    assert "fp32 or fp16" in output_of(*command, "--point", number, "--precision", "int8")
    assert "is not a run id" in output_of("device", "time", "tx2", "norun", "--point", "0")
    assert "point" in output_of(*command, "--point", "-1")
    assert "--also takes" in output_of(*command, "--point", number, "--also", f"{point.run}.{'9' * 5000}")
    assert "--also takes" in output_of(*command, "--point", number, "--also", "nonsense")
    assert "rounds" in output_of(*command, "--point", number, "--rounds", "0")
    assert "terminal" in output_of(*command, "--point", number, "--ask-password")
    assert "--queue" in output_of(*command, "--point", number, "--ask-password", "--queue")
    assert here.store.timings() == []
