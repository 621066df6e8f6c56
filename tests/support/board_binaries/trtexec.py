#!/usr/bin/env python3
"""Stands in for trtexec of a board: takes that version's options, prints its formats, measures made-up latencies.

What it is to do stands in fake/trtexec.json of the board's tree; what it did goes to fake/runs/. For Python 3.6 on.
Options and formats are those of NVIDIA's published sources of the versions from 7.1 to 11.1.
"""
# ruff: noqa: PTH123, PTH113

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import trtexec_report as report
from trtexec_report import FAKE, SETTINGS, TREE, VERSION, complain, fail, info, number, verdict

GPU_CLOCK = TREE / "sys/devices/17000000.gp10b/devfreq/17000000.gp10b/cur_freq"

OPTIONS = {  # since which version, and before which, each of those that matter here is known
    "--onnx": ((7, 1), None),
    "--explicitBatch": ((7, 1), (10,)),
    "--shapes": ((7, 1), None),
    "--workspace": ((7, 1), (10,)),
    "--memPoolSize": ((8, 4), None),
    "--fp16": ((7, 1), (11,)),
    "--saveEngine": ((7, 1), None),
    "--loadEngine": ((7, 1), None),
    "--timingCacheFile": ((8, 0), None),
    "--buildOnly": ((7, 1), (10,)),
    "--skipInference": ((8, 6), None),
    "--iterations": ((7, 1), None),
    "--warmUp": ((7, 1), None),
    "--duration": ((7, 1), None),
    "--avgRuns": ((7, 1), None),
    "--percentile": ((7, 1), None),
    "--exportTimes": ((7, 1), None),
    "--dumpProfile": ((7, 1), None),
    "--exportProfile": ((7, 1), None),
    "--useSpinWait": ((7, 1), None),
    "--noDataTransfers": ((7, 2), None),
    "--includeDataTransfers": ((11,), None),
    "--noCudaGraph": ((11,), None),
    "--help": ((7, 1), None),
}


# --- options


def options():
    """By name; unknown ones fail as they do there."""
    given, unknown = {}, []
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        given[name] = value
        since, before = OPTIONS.get(name, ((99,), None))
        if not (since <= VERSION and (before is None or before > VERSION)):
            unknown.append(f"Unknown option: {name} {value}")
    if unknown:
        fail(*unknown)
    return given


def whole(text):
    """Up to 8.2 numbers are read as whole ones."""
    return float(text) if VERSION >= (8, 4) else float(int(float(text)))


def shapes(given):
    name, _, sizes = given.get("--shapes", "").rpartition(":")
    if name != "input" or sizes.split("x")[0] != "1":
        fail(f'Cannot find input tensor with name "{name}" in the engine bindings!', "Engine set up failed")
    return sizes


def headline(given, sizes):
    info("=== Model Options ===")
    info("Format: {}".format("ONNX" if "--onnx" in given else "*"))
    info("=== Build Options ===")
    info("Precision: {}".format("FP32+FP16" if "--fp16" in given else "FP32"))
    info("=== Inference Options ===")
    info(f"Input inference shape: input={sizes}")
    info("Iterations: {}".format(given.get("--iterations", "10")))
    info("Duration: {}s (+ {}ms warm up)".format(given.get("--duration", "3"), given.get("--warmUp", "200")))
    if VERSION >= (8, 0):
        info("Data transfers: {}".format("Enabled" if transfers(given) else "Disabled"))
    info()
    if VERSION >= (8, 0):
        info("=== Device Information ===")
        info("Selected Device: NVIDIA Tegra X2")
        info("Compute Capability: 6.2")
        info("TensorRT version: {}".format(".".join(map(str, VERSION))))


def transfers(given):
    return "--includeDataTransfers" in given if VERSION >= (11,) else "--noDataTransfers" not in given


# --- building


def build(given):
    path = given["--onnx"]
    if not os.path.isfile(path):
        fail(
            f"[TRT] ModelImporter.cpp:735: Failed to parse ONNX model from file: {path}", f"Could not open file {path}"
        )
    if VERSION < (8, 0) and "--explicitBatch" not in given:
        fail("[TRT] Network must have explicit batch dimension", "Failed to parse onnx file", "Engine set up failed")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    misbehave("build")
    if SETTINGS["needs_workspace"] > workspace(given):
        fail(*report.too_little_workspace())
    time.sleep(SETTINGS["build_s"])
    if SETTINGS["mode"] == "warns":
        complain("W", "[TRT] Your ONNX model has been generated with INT64 weights; casting down to INT32.")
    engine = {"version": VERSION, "compute": SETTINGS["compute"], "model": digest, "fp16": "--fp16" in given}
    with open(given["--saveEngine"], "wb") as file:
        file.write(b"a stand-in for an engine\n" + json.dumps(engine, sort_keys=True).encode())
    if "--timingCacheFile" in given:
        with open(given["--timingCacheFile"], "wb") as file:
            file.write(b"a stand-in for a timing cache\n")
    if VERSION >= (8, 0):
        info("Engine built in {} sec.".format(number(SETTINGS["build_s"])))
    return engine


def workspace(given):
    """MiB; up to 8.2 an option of its own, with a small default."""
    return int(given.get("--workspace") or given.get("--memPoolSize", "workspace:16").partition(":")[2])


def load(given):
    path = given["--loadEngine"]
    try:
        with open(path, "rb") as file:
            _, second = file.read().split(b"\n")
        engine = json.loads(second.decode())
    except OSError:
        fail(f"Error opening engine file: {path}", "Engine set up failed")
    except ValueError:
        fail(*report.serialization("Magic tag does not match"))
    if tuple(engine["version"]) != VERSION:
        fail(
            *report.serialization(
                "Version tag does not match. Note: Current Version: 205, Serialized Engine Version: 213"
            )
        )
    if engine["compute"] != SETTINGS["compute"]:
        told = "The engine plan file is generated on an incompatible device, expecting compute {} got compute {}, {}"
        fail("6: " + told.format(SETTINGS["compute"], engine["compute"], "please rebuild."), "Engine set up failed")
    if VERSION >= (8, 0):
        info("Engine loaded in 0.01 sec.")
    return engine


# --- measuring


def base_ms(engine):
    """Milliseconds of compute for this network; its own, of which a second holds enough for a p99, unless the test says
    another.
    """
    digest = engine["model"]
    own = 0.6 + int(digest[:4], 16) / 131072.0
    return SETTINGS["latencies"].get(digest, own) * (0.6 if engine["fp16"] else 1.0)


def trace(engine, given, iterations, duration_ms, warmup_ms):
    """Every query from the first of the warm-up on, as times in milliseconds since the start."""
    run = len(list((FAKE / "runs").iterdir()))
    chance = random.Random("{}{}{}".format(engine["model"], engine["fp16"], run))
    base, moved = base_ms(engine), transfers(given)
    rows, now, counted = [], 0.01, 0
    while counted < iterations or now < duration_ms + warmup_ms:
        slower = SETTINGS["slower"] if now > warmup_ms + duration_ms / 2 else 1.0
        compute = base * slower * (1 + abs(chance.gauss(0, 0.02)))
        h2d, d2h = (0.05 * (1 + 0.2 * chance.random()), 0.01 * (1 + 0.2 * chance.random())) if moved else (0.0, 0.0)
        start = now + h2d
        row = {"h2d": (now, start), "compute": (start, start + compute)}
        row["d2h"] = (start + compute, start + compute + d2h)
        row["enq"] = (start, start + 0.1 + 0.05 * chance.random())
        rows.append(row)
        counted += start >= warmup_ms
        now = start + compute + d2h + 0.005
    return rows


def measure(given, engine):
    misbehave("profile" if "--dumpProfile" in given else "measure")
    iterations, warmup_ms = int(given.get("--iterations", 10)), float(int(given.get("--warmUp", 200)))
    rows = trace(engine, given, iterations, whole(given.get("--duration", "3")) * 1000, warmup_ms)
    kept = [row for row in rows if row["compute"][0] >= warmup_ms]
    walltime_ms = kept[-1]["d2h"][1] - kept[0]["h2d"][0]
    info("Starting inference{}".format(" threads" if VERSION < (7, 2) else ""))
    sys.stdout.flush()
    work()
    batches = 0 if VERSION < (8, 0) else 1  # 7.x multiplies by a batch size that is 0 for explicit batches
    info(f"Warmup completed {(len(rows) - len(kept)) * batches} queries over {number(warmup_ms)} ms")
    info(f"Timing trace has {len(kept) * batches} queries over {number(walltime_ms / 1000)} s")
    if "--dumpProfile" not in given or VERSION < (8, 2):
        report_times(given, kept, walltime_ms)
    if "--dumpProfile" in given:
        profile(given, engine, rows)
        return
    if "--exportTimes" in given:
        report.export(rows if VERSION < (8, 5) else kept, given["--exportTimes"])
    remember(engine, kept, len(rows) - len(kept), walltime_ms)


def report_times(given, kept, walltime_ms):
    report.averages(kept, int(given.get("--avgRuns", 10)))
    percentages = [float(each) for each in given.get("--percentile", "99").split(",")]
    (report.block if VERSION < (8, 0) else report.summary)(kept, walltime_ms, percentages)
    if SETTINGS["mode"] == "warns":
        complain(
            "W", "* Throughput may be bound by Enqueue Time rather than GPU Compute and the GPU may be under-utilized."
        )
        complain("W", "  If not already in use, --useCudaGraph may increase the throughput.")


def profile(given, engine, rows):
    """What each layer of this network took, and is called, as the test says; otherwise one layer of a name of ours."""
    told = SETTINGS["layers"].get(engine["model"], [["{ForeignNode[input...logits]}", base_ms(engine)]])
    report.profile(told, len(rows))
    if "--exportProfile" in given:
        report.export_profile(told, len(rows), given["--exportProfile"])


def work():
    """Takes its time; if asked, the GPU's clock falls halfway."""
    half = SETTINGS["measure_s"] / 2
    time.sleep(half)
    before = GPU_CLOCK.read_text()
    if SETTINGS["slower"] > 1:
        put(GPU_CLOCK, "{:.0f}\n".format(int(before) / SETTINGS["slower"]))
    time.sleep(half)
    put(GPU_CLOCK, before)


def put(path, text):
    """In one go: who reads a kernel's file never finds it empty."""
    part = path.with_name(f".{path.name}-{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def remember(engine, kept, warmups, walltime_ms):
    run = {"argv": sys.argv, "model": engine["model"], "fp16": engine["fp16"], "warmups": warmups}
    run["walltime_s"] = walltime_ms / 1000
    run["latency_ms"] = [report.latency(row) for row in kept]
    for name, key in (("gpu_ms", "compute"), ("h2d_ms", "h2d"), ("d2h_ms", "d2h")):
        run[name] = [report.took(row, key) for row in kept]
    path = FAKE / "runs" / "{:04d}.json".format(len(list((FAKE / "runs").iterdir())))
    path.write_text(json.dumps(run))


# --- what can go wrong


def misbehave(phase):
    """Does what the mode says in the phase that it is for."""
    mode, when = SETTINGS["mode"], SETTINGS["when"]
    if phase not in when:
        return
    if mode == "fails":
        fail(*report.unsupported())
    elif mode == "oom":
        fail(*report.out_of_memory(phase))
    elif mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "crashes":
        info("Starting inference" if phase == "measure" else "Start parsing network model")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    elif mode == "stalls":
        stall(phase)


def stall(phase):
    """Hangs with a child process, and says which two processes have to be gone afterwards."""
    info("Starting inference" if phase == "measure" else "Start parsing network model")
    sys.stdout.flush()
    child = subprocess.Popen(["sleep", "600"])
    (FAKE / "stalled.json").write_text(json.dumps({"phase": phase, "pids": [os.getpid(), child.pid]}))
    time.sleep(600)


def keep_kernels():
    """What CUDA compiles while a program runs it keeps, unless told where in the home folder."""
    place = Path(os.environ.get("CUDA_CACHE_PATH") or "~/.nv/ComputeCache").expanduser()
    place.mkdir(parents=True, exist_ok=True)
    (place / "index").write_text("kernels")


def main():
    with open(str(FAKE / "calls.jsonl"), "a") as file:
        file.write(json.dumps(["trtexec", *sys.argv[1:]]) + "\n")
    loads = any(argument.startswith("--loadEngine=") for argument in sys.argv)
    if SETTINGS["mode"] == "silent" and ("measure" if loads else "build") in SETTINGS["when"]:
        return 0
    verdict("RUNNING")
    given = options()
    if "--help" in given or not given:
        sys.stdout.write("=== Model Options ===\n")
        return 0
    if loads == ("--onnx" in given):
        fail("Model missing or format not recognized")
    headline(given, shapes(given))
    keep_kernels()
    engine = load(given) if loads else build(given)
    if "--buildOnly" not in given and "--skipInference" not in given:
        measure(given, engine)
    verdict("PASSED")
    return 0


if __name__ == "__main__":
    sys.exit(main())
