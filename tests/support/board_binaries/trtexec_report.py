"""How the stand-in for trtexec talks: its log, its summary and the file of times, as each version writes them.

A query is a dict of what it did ("h2d", "compute", "d2h", "enq") to when that began and ended, in milliseconds since
the start. For Python 3.6 on.
"""
# zip has no strict in Python 3.6
# ruff: noqa: PTH123, B905

import json
import os
import sys
import time
from pathlib import Path

TREE = Path(os.path.realpath(__file__)).parents[4]
FAKE = TREE / "fake"
SETTINGS = json.loads((FAKE / "trtexec.json").read_text())
VERSION = tuple(SETTINGS["version"])


def number(value):
    """As C++ streams print a float."""
    return f"{value:.6g}"


def stamp():
    return time.strftime("[%m/%d/%Y-%H:%M:%S] ")


def info(text=""):
    sys.stdout.write(f"{stamp()}[I] {text}\n")


def complain(level, text):
    """On standard error; 7.1 leaves the time of it on standard output."""
    sys.stdout.flush()
    (sys.stdout if VERSION < (8, 0) else sys.stderr).write(stamp())
    sys.stderr.write(f"[{level}] {text}\n")
    sys.stderr.flush()


def verdict(word):
    name = "TensorRT.trtexec"
    if VERSION >= (8, 0):
        factor = 1000 if VERSION < (10,) else 10000
        name += f" [TensorRT v{VERSION[0] * factor + VERSION[1] * 100 + VERSION[2]}]"
    if VERSION >= (10, 5):
        name += " [b1]"
    sys.stdout.write("&&&& {} {} # {}\n".format(word, name, " ".join(sys.argv)))
    sys.stdout.flush()


def fail(*complaints):
    for text in complaints:
        complain("E", text)
    verdict("FAILED")
    sys.exit(1)


def took(row, what):
    return row[what][1] - row[what][0]


def latency(row):
    return took(row, "h2d") + took(row, "compute") + took(row, "d2h")


def end_to_end(row):
    return row["d2h"][1] - row["h2d"][0]


def shown(value):
    return "nan" if SETTINGS["mode"] == "nan" else number(value)


def averages(kept, runs):
    if VERSION >= (8, 0):
        info()
        info("=== Trace details ===")
    info(f"Trace averages of {runs} runs:")
    chunks = [kept[i : i + runs] for i in range(0, len(kept) - runs + 1, runs)]
    for place, chunk in enumerate(chunks):
        if VERSION >= (10,) and 200 <= place < len(chunks) - 200:
            if place == 200:
                info(f"... Omitting {len(kept) - 400 * runs} lines")
            continue
        compute, host, ends, enqueue = (
            shown(sum(each) / runs)
            for each in zip(*((took(row, "compute"), latency(row), end_to_end(row), took(row, "enq")) for row in chunk))
        )
        end = f"end to end {ends} ms, " if VERSION < (8, 4) else ""
        text = "Average on {} runs - GPU latency: {} ms - Host latency: {} ms ({}enqueue {} ms)"
        info(text.format(runs, compute, host, end, enqueue))


def statistics(values):
    values = sorted(values)
    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    return values, median


def at(values, percentage):
    return values[max(len(values) - 1 - int((1 - percentage / 100) * len(values)), 0)]


def summary(kept, walltime_ms, percentages):
    info()
    info("=== Performance summary ===")
    info(f"Throughput: {shown(len(kept) / walltime_ms * 1000)} qps")
    quantities = [("Latency", latency), ("Enqueue Time", lambda row: took(row, "enq"))]
    if VERSION < (8, 4):
        quantities.insert(1, ("End-to-End Host Latency", end_to_end))
    quantities += [
        ("H2D Latency", lambda row: took(row, "h2d")),
        ("GPU Compute Time", lambda row: took(row, "compute")),
    ]
    quantities.append(("D2H Latency", lambda row: took(row, "d2h")))
    for name, quantity in quantities:
        values, median = statistics([quantity(row) for row in kept])
        mean = sum(values) / len(values)
        told = [("min", values[0]), ("max", values[-1]), ("mean", mean), ("median", median)]
        told += [(f"percentile({number(each)}%)", at(values, each)) for each in percentages]
        info("{}: {}".format(name, ", ".join(f"{word} = {shown(value)} ms" for word, value in told)))
    info(f"Total Host Walltime: {number(walltime_ms / 1000)} s")
    info("Total GPU Compute Time: {} s".format(number(sum(took(row, "compute") for row in kept) / 1000)))
    info("Explanations of the performance metrics are printed in the verbose logs.")
    info()


def block(kept, walltime_ms, percentages):
    host, host_median = statistics([latency(row) for row in kept])
    ends, ends_median = statistics([end_to_end(row) for row in kept])
    compute, compute_median = statistics([took(row, "compute") for row in kept])
    enqueue, enqueue_median = statistics([took(row, "enq") for row in kept])
    n, one = len(kept), percentages[0]

    def both(word, mine, other, more=""):
        info(f"{word}: {shown(mine)} ms{more} (end to end {shown(other)} ms{more})")

    info("Host Latency")
    both("min", host[0], ends[0])
    both("max", host[-1], ends[-1])
    both("mean", sum(host) / n, sum(ends) / n)
    both("median", host_median, ends_median)
    both("percentile", at(host, one), at(ends, one), f" at {number(one)}%")
    info("throughput: 0 qps")
    info(f"walltime: {number(walltime_ms / 1000)} s")
    info("Enqueue Time")
    for word, value in (("min", enqueue[0]), ("max", enqueue[-1]), ("median", enqueue_median)):
        info(f"{word}: {shown(value)} ms")
    info("GPU Compute")
    told = (("min", compute[0]), ("max", compute[-1]), ("mean", sum(compute) / n), ("median", compute_median))
    for word, value in told:
        info(f"{word}: {shown(value)} ms")
    info(f"percentile: {shown(at(compute, one))} ms at {number(one)}%")
    info(f"total compute time: {number(sum(compute) / 1000)} s")


def export(rows, path):
    """C++ streams write nan as it is, which is no JSON."""
    there, back = ("In", "Out") if VERSION < (8, 0) else ("H2d", "D2h")
    with open(path, "w") as file:
        file.write("[\n")
        sep = "  "
        for row in rows:
            spans = [("Enq", "enq"), (there, "h2d"), ("Compute", "compute"), (back, "d2h")]
            cells = [(f"{edge}{name}Ms", row[key][i]) for name, key in spans for i, edge in enumerate(("start", "end"))]
            cells += [(there[0].lower() + there[1:] + "Ms", took(row, "h2d")), ("computeMs", took(row, "compute"))]
            cells += [(back[0].lower() + back[1:] + "Ms", took(row, "d2h")), ("latencyMs", latency(row))]
            if VERSION < (8, 4):
                cells.append(("endToEndMs", end_to_end(row)))
            file.write("{}{{ {} }}\n".format(sep, ", ".join(f'"{name}" : {shown(value)}' for name, value in cells)))
            sep = ", "
        file.write("]\n")


# --- layers: as samples/common/sampleReporting.cpp prints and exports them, names as they are


def profile(layers, count):
    """Since 8.4 with the median, and without those that took no time, which the file keeps."""
    info(f"=== Profile ({count} iterations ) ===")
    heads = ["Layer", "Time (ms)", "Avg. Time (ms)", "Median Time (ms)", "Time %"]
    info("   ".join(head for head in heads if VERSION >= (8, 4) or not head.startswith("Median")))
    for name, ms in layers:
        if ms or VERSION < (8, 4):
            median = [f"{ms:.4f}"] if VERSION >= (8, 4) else []
            info("   ".join([name.encode("ascii", "replace").decode(), f"{ms * count:.2f}", f"{ms:.4f}", *median]))


def export_profile(layers, count, path):
    total = sum(ms for _, ms in layers) * count
    count = 0 if SETTINGS["mode"] == "unprofiled" else count
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" if SETTINGS["mode"] == "uncounted" else f'[\n  {{ "count" : {count} }}\n')
        separator = "  " if SETTINGS["mode"] == "uncounted" else ", "
        for name, ms in layers:
            cells = [("timeMs", number(ms * count)), ("averageMs", number(ms) if count else "-nan")]
            cells += [("medianMs", number(ms) if count else "0")] if VERSION >= (8, 4) else []
            cells += [("percentage", number(ms * count / total * 100) if total and count else "-nan")]
            told = ", ".join(f'"{key}" : {value}' for key, value in cells)
            file.write(f'{separator}{{ "name" : "{name}", {told} }}\n')
            separator = ", "
        file.write("]\n")


# --- complaints, the last of which is never the cause


def serialization(what):
    if VERSION < (8, 0):
        first = f"[TRT] coreReadArchive.cpp (41) - Serialization Error in verifyHeader: 0 ({what})"
        return first, "[TRT] INVALID_CONFIG: Deserialize the cuda engine failed.", "Engine set up failed"
    first = (
        f"Error[1]: [stdArchiveReader.cpp::StdArchiveReader::40] Error Code 1: Serialization (Assertion failed.{what})"
    )
    second = "Error[4]: [runtime.cpp::50] Error Code 4: Internal Error (Engine deserialization failed.)"
    return first, second, "Engine set up failed"


def unsupported():
    operator = SETTINGS["operator"]
    note = f"No importer registered for op: {operator}. Attempting to import as plugin."
    if VERSION < (8, 0):
        complain("W", f"[TRT] ModelImporter.cpp:135: {note}")
    else:
        info(f"[TRT] {note}")
    parsing = f'While parsing node number 12 [{operator} -> "139"]:'
    missing = 'creator && "Plugin not found, are the plugin name, version, and namespace correct?"'
    if VERSION < (8, 0):
        sys.stderr.write(f"{parsing}\n")
        sys.stderr.write("ERROR: builtin_op_importers.cpp:3659 In function importFallbackPluginImporter:\n")
        sys.stderr.write(f"[8] Assertion failed: {missing}\n")
        return "Failed to parse onnx file", "Parsing model failed", "Engine creation failed", "Engine set up failed"
    checker = "checkFallbackPluginImporter" if VERSION >= (10,) else "importFallbackPluginImporter"
    asserted = f"[6] {missing}" if VERSION >= (10,) else f"[8] Assertion failed: {missing}"
    return (
        f"[TRT] 3: getPluginCreator could not find plugin: {operator} version: 1",
        f"[TRT] ModelImporter.cpp:773: {parsing}",
        "[TRT] ModelImporter.cpp:774: --- Begin node ---",
        f'[TRT] ModelImporter.cpp:775: input: "138"\noutput: "139"\nop_type: "{operator}"\n',
        "[TRT] ModelImporter.cpp:776: --- End node ---",
        f"[TRT] ModelImporter.cpp:779: ERROR: importers.cpp:4951 In function {checker}:\n{asserted}",
        "Failed to parse onnx file",
        "Parsing model failed",
        "Engine set up failed",
    )


def too_little_workspace():
    size = SETTINGS["needs_workspace"] << 20
    if VERSION < (8, 0):
        advice = "try increasing the workspace size with IBuilder::setMaxWorkspaceSize()"
        return (
            f"[TRT] Internal error: could not find any implementation for node Conv_0, {advice}",
            "Engine set up failed",
        )
    complain(
        "W", f"[TRT] Skipping tactic 0 due to insuficient memory on requested size of {size} detected for tactic 0."
    )
    first = "[optimizer.cpp::computeCosts::2011] Error Code 10: Internal Error (Could not find any implementation for "
    second = "[builder.cpp::buildSerializedNetwork::609] Error Code 2: Internal Error (Assertion enginePtr != nullptr "
    return f"Error[10]: {first}node Conv_0.)", f"Error[2]: {second}failed. )", "Engine set up failed"


def out_of_memory(phase):
    end = "Engine set up failed" if phase == "build" else "Inference set up failed"
    if VERSION < (8, 0):
        return "[TRT] ../rtSafe/safeRuntime.cpp (25) - Cuda Error in allocate: 2 (out of memory)", end
    complain("W", "[TRT] Requested amount of GPU memory (1073741824 bytes) could not be allocated.")
    first = "Error[1]: [defaultAllocator.cpp::allocate::20] Error Code 1: Cuda Runtime (out of memory)"
    return first, "Error[2]: Error Code 2: OutOfMemory (no further information)", end
