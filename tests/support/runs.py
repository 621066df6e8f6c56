"""Builds run folders for tests: a small residual network's points, made up but consistent. Test-only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.records.event import Attempts, Epoch, PseudoLabelAnswers, PseudoLabels
from engine.storage.records.measurement import Measurement
from engine.storage.records.point import Point
from engine.storage.store import Store

if TYPE_CHECKING:
    from engine.boards.agent.probe import Probe

WIDTHS = {"conv1": 16} | {
    f"layer{stage}.{block}.conv{conv}": 8 * 2**stage for stage in (1, 2, 3) for block in (0, 1, 2) for conv in (1, 2)
}
BASE_MACS, BASE_PARAMS, BASE_TOP1 = 40_000_000, 270_000, 0.90


def widths(keep: float, removed: tuple[str, ...] = ()) -> dict[str, list[int]]:
    """Every convolution's [original, kept]; 0 inside removed blocks."""
    prefixes = tuple(f"{name}." for name in removed)
    return {
        name: [width, 0 if prefixes and name.startswith(prefixes) else max(1, round(width * keep))]
        for name, width in WIDTHS.items()
    }


def point(number: int, stage: str, keep: float, top1: float, **more: Any) -> Point:
    removed = () if stage == "baseline" else ("layer2.1",)
    line = {
        "point": number,
        "stage": stage,
        "phase": "" if stage == "baseline" else "channels",
        "keep": keep,
        "final": stage == "recovered",
        "top1": top1,
        "top5": min(1.0, top1 + 0.08),
        "loss": 1.2 - top1,
        "val_top1": min(1.0, top1 + 0.01),
        "params": round(BASE_PARAMS * keep),
        "macs": round(BASE_MACS * keep),
        "bytes": round(BASE_PARAMS * keep) * 4 + 4096,
        "asked": {"metric": "macs", "keep": keep},
        "got": {"macs": keep, "params": keep},
        "blocks_removed": list(removed),
        "widths": widths(1.0 if stage == "baseline" else keep, removed),
        "latency": [
            {"where": "host", "tool": "onnxruntime", "provider": "CPUExecutionProvider", "threads": 1, "batch": 1,
             "n": 200, "p50_ms": 0.2 + keep, "p90_ms": 0.25 + keep, "p99_ms": None}
        ],
        "seconds": 4.0,
    }  # fmt: skip
    return Point.from_json(line | more)


def epoch(number: int, epochs: int, **more: Any) -> Epoch:
    line = {
        "stage": "train",
        "phase": "train",
        "keep": 1.0,
        "epoch": number,
        "epochs": epochs,
        "loss": 2.3 / number,
        "train_top1": 1 - 0.8 / number,
        "val_top1": 1 - 0.9 / number,
        "lr": 0.1,
        "seconds": 1.0,
    }
    return Epoch.from_json(line | more)


def finished(store: Store, spec: RunSpec, *, loss: float = 0.06, files: bool = True, cpu: str | None = None) -> Run:
    """A run that is done: a baseline, and for each target a point before and one after recovery."""
    run = store.create(spec)
    if cpu is not None:
        run.write_env({"cpu": cpu})
    for number in range(1, 4):
        run.append_event(epoch(number, 3))
    run.append_point(point(0, "baseline", 1.0, BASE_TOP1))
    for index, keep in enumerate(spec.target.keep):
        after = BASE_TOP1 - loss * (1 - keep) - 0.002 * spec.seed
        run.append_point(point(2 * index + 1, "pruned", keep, after - 0.15, phase=spec.phases()[-1]))
        run.append_point(point(2 * index + 2, "recovered", keep, after, phase=spec.phases()[-1]))
        if files:
            run.model_file(2 * index + 2, "onnx").write_bytes(b"onnx " + run.id.encode())
            run.model_file(2 * index + 2, "plan.json").write_text(json.dumps({"blocks": ["layer2.1"]}))
    run.update(state="done", progress=1.0, message="done", times={"started": 1000.0, "finished": 1090.0})
    return run


def carried_over(store: Store, spec: RunSpec, *, end: bool = True) -> Run:
    """A run on two domains: a baseline and a point for each target of pruning, 0.9 and 0.7 right on the source and on
    the target at first; pseudo-labels were made three times, for 80, 90 and 100 of 120 target images.
    """
    run = store.create(spec)
    for number in range(3):
        made = {"keep": 1.0, "stage": "train" if number < 2 else "recover", "phase": "train"}
        run.append_event(PseudoLabels.from_json({**made, "taken": 80 + 10 * number, "of": 120, "classes": 9}))
    for number, keep in enumerate((1.0, *spec.target.keep)):
        on_target = 0.7 - 0.1 * (1 - keep)
        both = {"source_top1": 0.9 - 0.05 * (1 - keep), "target_top1": on_target}
        run.append_point(point(number, "recovered" if number else "baseline", keep, on_target, **both))
    if end:
        for number in range(1, 1 + len(spec.target.keep)):
            run.append_event(PseudoLabelAnswers(point=number, taken=100, correct=90 - number))
        run.update(state="done", progress=1.0, message="done", times={"started": 1000.0, "finished": 1090.0})
    return run


def attempts(phase: str, keep: float, step: int, names: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """The fields of an `attempts` event: the first of `names` was removed; the later a name, the more it hurts."""
    total = 500
    entries = [
        {
            "name": name,
            "what": "block" if phase == "layers" else "channels",
            "channels": 0 if phase == "layers" else 2,
            "saved": 0.02 * (n + 1),
            "rise": 0.01 * n - 0.002,
            "selected": n == 0,
            "correct": 450 - 5 * n,
            "total": total,
            "loss": 0.4 + 0.02 * n,
            "divergence": 0.1 * n,
        }
        for n, name in enumerate(names)
    ]
    before = {"correct": 451, "total": total, "loss": 0.4, "divergence": 0.0}
    return {
        "phase": phase,
        "keep": keep,
        "step": step,
        "measure": "accuracy",
        "before": before,
        "attempts": entries,
    } | more


def stepwise(store: Store, spec: RunSpec, *, steps: int = 2) -> Run:
    """A run of one iterative phase that is done: `steps` steps and an INT8 point for each target, larger ones first."""
    run = store.create(spec)
    phase = spec.phases()[0]
    names = ("layer1.1", "layer2.2", "layer3.1") if phase == "layers" else ("layer3.0.conv1", "conv1 (+6)")
    run.append_point(point(0, "baseline", 1.0, BASE_TOP1))
    number, cost = 1, 1.0
    for keep in sorted(spec.target.keep, reverse=True):
        start = cost
        for step in range(1, steps + 1):
            cost = start - (start - keep) * step / steps
            run.append_event(Attempts.from_json(attempts(phase, keep, step, names)))
            more = {"phase": phase, "step": step, "final": step == steps, "macs": round(BASE_MACS * cost)}
            run.append_point(point(number, "recovered", keep, BASE_TOP1 - 0.1 * (1 - cost), **more))
            number += 1
        more = {"phase": phase, "final": False, "bytes": round(BASE_PARAMS * keep)}
        run.append_point(point(number, "quantized", keep, BASE_TOP1 - 0.1 * (1 - cost) - 0.004, **more))
        number += 1
    run.update(state="done", progress=1.0, message="done", times={"started": 1000.0, "finished": 1090.0})
    return run


def searched(store: Store, spec: RunSpec, *, end: bool = True) -> Run:
    """A run for an accuracy to keep, with three tries of each criterion, of which the second is the answer."""
    run = store.create(spec)
    run.append_point(point(0, "baseline", 1.0, BASE_TOP1))
    unmeasured = dict.fromkeys(("top1", "top5", "loss"))
    number = 0
    for criterion in (spec.criterion, *spec.target.also_criteria):
        for place, (keep, val_top1) in enumerate(((0.614, 0.85), (0.784, 0.905), (0.885, 0.908)), 1):
            number += 1
            more = {"step": number, "val_top1": val_top1, "val_total": 1000, "trajectory": criterion, "place": place}
            more |= {"criterion": criterion, "depth_share": 0.5, "passed": []}
            tried = point(number, "pruned", keep, 0.9, latency=[], before_recovery=False, **more).to_json()
            run.append_point(Point.from_json(tried | unmeasured))
    if end:
        answer = {"tries": number, "images": 1000, "least": 0.9, "lost": 0.005, "low": -0.002, "high": 0.012}
        more = {"criterion": spec.criterion, "depth_share": 0.5, "answer": answer, "val_top1": 0.905}
        run.append_point(point(number + 1, "recovered", 0.784, 0.895, note="the smallest of some tries", **more))
        run.update(state="done", progress=1.0, message="done", times={"started": 1000.0, "finished": 1090.0})
    return run


def underway(store: Store, spec: RunSpec, *, epochs: int = 5) -> Run:
    """A run in the middle of its training, worked on by this process."""
    run = store.create(spec)
    assert run.lock.acquire()
    for number in range(1, epochs + 1):
        run.append_event(epoch(number, 20))
        run.log(f"epoch {number}/20")
    run.update(
        state="running", progress=0.2, phase="train", message=f"training, epoch {epochs}/20", times={"started": 1.0}
    )
    return run


def spec(**more: Any) -> RunSpec:
    return RunSpec.model_validate({"target": {"keep": [0.6, 0.3]}} | more)


def probe(**more: Any) -> Probe:
    """A TX2's probe; `more` replaces fields."""
    from engine.boards.agent.probe import parse  # a tenth of what a stand-in of a run imports otherwise

    document = {
        "model": "quill", "compatible": ["nvidia,tegra186"], "jetson": "tx2", "l4t": "32.7.1", "jetpack": "4.6.1",
        "tensorrt": "8.2.1", "trtexec": "/usr/src/tensorrt/bin/trtexec", "onnxruntime": None, "providers": [],
        "python": "3.6.9", "machine": "aarch64", "system": "Ubuntu 18.04.6 LTS", "hostname": "tegra", "cores": 6,
        "power_mode": {"name": "MAXN", "id": 0}, "disk_free_bytes": 9_800_000_000,
        "clocks": {"gpu_hz": 1, "gpu_max_hz": 1, "cpu_hz": [1], "cpu_max_hz": [1], "locked": True},
        "memory_total_bytes": 8_000_000_000, "memory_free_bytes": 5_000_000_000, "total_rail": "VDD_IN",
        "temperatures": {"GPU-therm": 41.5, "PMIC-Die": 100.0, "MCPU-therm": 43.0}, "power_mw": {"VDD_IN": 5200.0},
        "uptime_s": 100.0, "time": 1.0, "sudo": True, "problems": [],
    }  # fmt: skip
    return parse(document | more)


def timing(point: int, device: str = "tx2", **more: Any) -> Measurement:
    """A board's measurement of a point: 3 ms and 30 mJ for each inference; `more` replaces fields."""
    line = {
        "point": point, "device": device, "job": "20260102-030405-0a1b2c3d", "at": 1_770_000_000.0 + point,
        "tool": "trtexec", "version": "8.2.1", "precision": "fp32", "provider": "TensorRT", "threads": None, "batch": 1,
        "n": 1834, "p50_ms": 3.0, "p90_ms": 3.2, "p99_ms": 3.5, "mean_ms": 3.05, "gpu_p50_ms": 2.6, "h2d_p50_ms": 0.3,
        "d2h_p50_ms": 0.1, "transfers": True, "throughput_qps": 330.0, "power_mw": 9800.0, "energy_mj": 30.0,
        "rounds": 3, "interleaved_with": 1, "temperatures_c": {}, "gpu_hz": None, "power_mode": "MAXN",
        "clocks_locked": True, "throttled": False, "why_throttled": None, "board": "Jetson TX2, L4T 32.7.1",
        "settings": {},
    }  # fmt: skip
    return Measurement.from_json(line | more)


def on_board(run: Run, *points: int, device: str = "tx2", slower: float = 9.0, **more: Any) -> None:
    """Times these points of a run of this file on a board, `slower` times as slow as the host."""
    host = {point.point: point.latency[0].p50_ms for point in run.points()}
    for point in points:
        p50 = slower * host[point]
        run.append_measurement(timing(point, device, **({"p50_ms": p50, "energy_mj": 9.8 * p50} | more)))
