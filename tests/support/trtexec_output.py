"""What trtexec of each version says of one and the same made-up measurement, written by hand in that version's format.

Two queries of warm-up and five that count; the formats are those of samples/common/sampleReporting.cpp and logging.h in
NVIDIA's published sources, at the tags 7.1.3, 8.0.1, 8.2.1, 8.4.1, v8.6.1, v10.2.0 and v11.0.
"""
# ruff: noqa: E501

from typing import Any

WARMUP_MS = 200
LATENCY_MS = (1.26, 1.07, 1.46, 1.16, 1.36)
GPU_MS = (1.2, 1.0, 1.4, 1.1, 1.3)
H2D_MS = (0.05, 0.06, 0.04, 0.05, 0.05)
D2H_MS = (0.01, 0.01, 0.02, 0.01, 0.01)
WALLTIME_S = 0.008
STARTS_MS = (200.5, 202.1, 203.4, 204.9, 206.2)
WARM_STARTS_MS = (0.2, 100.3)

# The times of messages that go to standard error stay behind on standard output, without an end of line.
V7_1 = """\
&&&& RUNNING TensorRT.trtexec # trtexec --loadEngine=/c/m.engine --shapes=input:1x3x32x32 --avgRuns=1
[11/21/2020-14:49:48] [I] === Model Options ===
[11/21/2020-14:49:48] [I] Format: *
[11/21/2020-14:49:48] [I] === Inference Options ===
[11/21/2020-14:49:48] [I] Batch: Explicit
[11/21/2020-14:49:48] [I] Input inference shape: input=1x3x32x32
[11/21/2020-14:49:48] [I] Iterations: 5
[11/21/2020-14:49:48] [I] Duration: 1s (+ 200ms warm up)
[11/21/2020-14:49:48] [I] ExposeDMA: Disabled
[11/21/2020-14:49:48] [I] Skip inference: Disabled
[11/21/2020-14:49:48] [I] \n\
[11/21/2020-14:49:49] [11/21/2020-14:49:49] [I] Starting inference threads
[11/21/2020-14:49:50] [I] Warmup completed 0 queries over 200 ms
[11/21/2020-14:49:50] [I] Timing trace has 0 queries over 0.008 s
[11/21/2020-14:49:50] [I] Trace averages of 1 runs:
[11/21/2020-14:49:50] [I] Average on 1 runs - GPU latency: 1.2 ms - Host latency: 1.26 ms (end to end 2.41 ms, enqueue 0.3 ms)
[11/21/2020-14:49:50] [I] Average on 1 runs - GPU latency: 1 ms - Host latency: 1.07 ms (end to end 2.01 ms, enqueue 0.31 ms)
[11/21/2020-14:49:50] [I] Average on 1 runs - GPU latency: 1.4 ms - Host latency: 1.46 ms (end to end 2.82 ms, enqueue 0.29 ms)
[11/21/2020-14:49:50] [I] Average on 1 runs - GPU latency: 1.1 ms - Host latency: 1.16 ms (end to end 2.21 ms, enqueue 0.3 ms)
[11/21/2020-14:49:50] [I] Average on 1 runs - GPU latency: 1.3 ms - Host latency: 1.36 ms (end to end 2.61 ms, enqueue 0.3 ms)
[11/21/2020-14:49:50] [I] Host Latency
[11/21/2020-14:49:50] [I] min: 1.07 ms (end to end 2.01 ms)
[11/21/2020-14:49:50] [I] max: 1.46 ms (end to end 2.82 ms)
[11/21/2020-14:49:50] [I] mean: 1.262 ms (end to end 2.412 ms)
[11/21/2020-14:49:50] [I] median: 1.26 ms (end to end 2.41 ms)
[11/21/2020-14:49:50] [I] percentile: 1.46 ms at 99% (end to end 2.82 ms at 99%)
[11/21/2020-14:49:50] [I] throughput: 0 qps
[11/21/2020-14:49:50] [I] walltime: 0.008 s
[11/21/2020-14:49:50] [I] Enqueue Time
[11/21/2020-14:49:50] [I] min: 0.29 ms
[11/21/2020-14:49:50] [I] max: 0.31 ms
[11/21/2020-14:49:50] [I] median: 0.3 ms
[11/21/2020-14:49:50] [I] GPU Compute
[11/21/2020-14:49:50] [I] min: 1 ms
[11/21/2020-14:49:50] [I] max: 1.4 ms
[11/21/2020-14:49:50] [I] mean: 1.2 ms
[11/21/2020-14:49:50] [I] median: 1.2 ms
[11/21/2020-14:49:50] [I] percentile: 1.4 ms at 99%
[11/21/2020-14:49:50] [I] total compute time: 0.006 s
&&&& PASSED TensorRT.trtexec # trtexec --loadEngine=/c/m.engine --shapes=input:1x3x32x32 --avgRuns=1
"""

V8_0 = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8001] # trtexec --loadEngine=/c/m.engine --exportTimes=/c/t.json
[11/21/2021-14:49:48] [I] === Inference Options ===
[11/21/2021-14:49:48] [I] Batch: Explicit
[11/21/2021-14:49:48] [I] Duration: 1s (+ 200ms warm up)
[11/21/2021-14:49:48] [I] Data transfers: Enabled
[11/21/2021-14:49:48] [I] TensorRT version: 8001
[11/21/2021-14:49:49] [I] Engine loaded in 0.84 sec.
[11/21/2021-14:49:49] [I] Starting inference
[11/21/2021-14:49:50] [I] Warmup completed 2 queries over 200 ms
[11/21/2021-14:49:50] [I] Timing trace has 5 queries over 0.008 s
[11/21/2021-14:49:50] [I] \n\
[11/21/2021-14:49:50] [I] === Trace details ===
[11/21/2021-14:49:50] [I] Trace averages of 5 runs:
[11/21/2021-14:49:50] [I] Average on 5 runs - GPU latency: 1.2 ms - Host latency: 1.262 ms (end to end 2.412 ms, enqueue 0.3 ms)
[11/21/2021-14:49:50] [I] \n\
[11/21/2021-14:49:50] [I] === Performance summary ===
[11/21/2021-14:49:50] [I] Throughput: 625 qps
[11/21/2021-14:49:50] [I] Latency: min = 1.07 ms, max = 1.46 ms, mean = 1.262 ms, median = 1.26 ms, percentile(99%) = 1.46 ms
[11/21/2021-14:49:50] [I] End-to-End Host Latency: min = 2.01 ms, max = 2.82 ms, mean = 2.412 ms, median = 2.41 ms, percentile(99%) = 2.82 ms
[11/21/2021-14:49:50] [I] Enqueue Time: min = 0.29 ms, max = 0.31 ms, mean = 0.3 ms, median = 0.3 ms, percentile(99%) = 0.31 ms
[11/21/2021-14:49:50] [I] H2D Latency: min = 0.04 ms, max = 0.06 ms, mean = 0.05 ms, median = 0.05 ms, percentile(99%) = 0.06 ms
[11/21/2021-14:49:50] [I] GPU Compute Time: min = 1 ms, max = 1.4 ms, mean = 1.2 ms, median = 1.2 ms, percentile(99%) = 1.4 ms
[11/21/2021-14:49:50] [I] D2H Latency: min = 0.01 ms, max = 0.02 ms, mean = 0.012 ms, median = 0.01 ms, percentile(99%) = 0.02 ms
[11/21/2021-14:49:50] [I] Total Host Walltime: 0.008 s
[11/21/2021-14:49:50] [I] Total GPU Compute Time: 0.006 s
[11/21/2021-14:49:50] [I] Explanations of the performance metrics are printed in the verbose logs.
[11/21/2021-14:49:50] [I] \n\
&&&& PASSED TensorRT.trtexec [TensorRT v8001] # trtexec --loadEngine=/c/m.engine --exportTimes=/c/t.json
"""

V8_2 = V8_0.replace("TensorRT v8001", "TensorRT v8201").replace("version: 8001", "version: 8.2.1")

V8_4 = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec --loadEngine=/c/m.engine --exportTimes=/c/t.json
[11/21/2022-14:49:48] [I] === Inference Options ===
[11/21/2022-14:49:48] [I] Duration: 0.5s (+ 200ms warm up)
[11/21/2022-14:49:48] [I] Data transfers: Enabled
[11/21/2022-14:49:48] [I] TensorRT version: 8.4.1
[11/21/2022-14:49:49] [I] Engine loaded in 0.0841 sec.
[11/21/2022-14:49:49] [I] Starting inference
[11/21/2022-14:49:50] [I] Warmup completed 2 queries over 200 ms
[11/21/2022-14:49:50] [I] Timing trace has 5 queries over 0.008 s
[11/21/2022-14:49:50] [I] \n\
[11/21/2022-14:49:50] [I] === Trace details ===
[11/21/2022-14:49:50] [I] Trace averages of 5 runs:
[11/21/2022-14:49:50] [I] Average on 5 runs - GPU latency: 1.2 ms - Host latency: 1.262 ms (enqueue 0.3 ms)
[11/21/2022-14:49:50] [I] \n\
[11/21/2022-14:49:50] [I] === Performance summary ===
[11/21/2022-14:49:50] [I] Throughput: 625 qps
[11/21/2022-14:49:50] [I] Latency: min = 1.07 ms, max = 1.46 ms, mean = 1.262 ms, median = 1.26 ms, percentile(99%) = 1.46 ms
[11/21/2022-14:49:50] [I] Enqueue Time: min = 0.29 ms, max = 0.31 ms, mean = 0.3 ms, median = 0.3 ms, percentile(99%) = 0.31 ms
[11/21/2022-14:49:50] [I] H2D Latency: min = 0.04 ms, max = 0.06 ms, mean = 0.05 ms, median = 0.05 ms, percentile(99%) = 0.06 ms
[11/21/2022-14:49:50] [I] GPU Compute Time: min = 1 ms, max = 1.4 ms, mean = 1.2 ms, median = 1.2 ms, percentile(99%) = 1.4 ms
[11/21/2022-14:49:50] [I] D2H Latency: min = 0.01 ms, max = 0.02 ms, mean = 0.012 ms, median = 0.01 ms, percentile(99%) = 0.02 ms
[11/21/2022-14:49:50] [I] Total Host Walltime: 0.008 s
[11/21/2022-14:49:50] [I] Total GPU Compute Time: 0.006 s
[11/21/2022-14:49:50] [I] Explanations of the performance metrics are printed in the verbose logs.
[11/21/2022-14:49:50] [I] \n\
&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec --loadEngine=/c/m.engine --exportTimes=/c/t.json
"""

_PERCENTILES = "percentile(90%) = {0} ms, percentile(95%) = {0} ms, percentile(99%) = {0} ms"


def _three_percentiles(text: str) -> str:
    lines = []
    for line in text.splitlines():
        head, found, value = line.partition("percentile(99%) = ")
        lines.append(head + _PERCENTILES.format(value.removesuffix(" ms")) if found else line)
    return "\n".join(lines) + "\n"


V8_6 = _three_percentiles(V8_4).replace("v8401", "v8601").replace("8.4.1", "8.6.1")
V10 = V8_6.replace("v8601]", "v100200]").replace("8.6.1", "10.2.0")
V11 = (
    V8_6.replace("v8601]", "v110000] [b114]")
    .replace("8.6.1", "11.0.0")
    .replace("--exportTimes", "--includeDataTransfers --exportTimes")
)

ALL: dict[str, str] = {
    "7.1.3": V7_1,
    "8.0.1": V8_0,
    "8.2.1": V8_2,
    "8.4.1": V8_4,
    "8.6.1": V8_6,
    "10.2.0": V10,
    "11.0.0": V11,
}


def times(version: tuple[int, ...]) -> list[dict[str, Any]] | None:
    """The file of the same measurement; None for 7.1, whose samples stand in its output."""
    if version < (7, 2):
        return None
    kept = zip(STARTS_MS, H2D_MS, GPU_MS, D2H_MS, LATENCY_MS, strict=True)
    warm = [(start, 0.5, 9.0, 0.1, 9.6) for start in WARM_STARTS_MS] if version < (8, 5) else []
    there, back = ("in", "out") if version < (8, 0) else ("h2d", "d2h")
    names = ("startComputeMs", f"{there}Ms", "computeMs", f"{back}Ms", "latencyMs")
    return [dict(zip(names, row, strict=True)) for row in (*warm, *kept)]
