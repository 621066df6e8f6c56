"""The command lines of trtexec by version, and what is read from its output: by hand, broken in every way, and run."""

import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boards.trtexec.commands import Version, build_command, exports_times, measure_command
from engine.boards.trtexec.output import Outcome, Timing, parse, read_outcome
from engine.errors import RequestError, WorkError
from tests.support import trtexec_output
from tests.support.board import Board

IMAGE = (3, 32, 32)
EXPORT = "--exportTimes=/c/t.json --avgRuns=100"
VERSIONS = ["7.1.3", "7.2.1", "8.0.1", "8.2.1", "8.4.1", "8.5.2", "8.6.1", "9.2.0", "10.2.0", "10.16.1", "11.0.0"]


def of(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def built(version: str, **more: Any) -> list[str]:
    return build_command(of(version), "/t", "/c/m.onnx", "/c/m.engine", IMAGE, **more)


def measured(version: str, **more: Any) -> list[str]:
    return measure_command(of(version), "/t", "/c/m.engine", IMAGE, times="/c/t.json", **more)


def read(version: str, **changed: Any) -> Timing:
    """What is read of the measurement by hand, with something changed."""
    given = {
        "out": trtexec_output.ALL[version],
        "err": "",
        "times": trtexec_output.times(of(version)),
        "code": 0,
        **changed,
    }
    out, err, times = given.pop("out"), given.pop("err"), given.pop("times")
    return parse(out, err, times, of(version), trtexec_output.WARMUP_MS, **given)


def sentence(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text and len(text) < 500
    return text


class TestCommands:
    @pytest.mark.parametrize(
        ("version", "options"),
        [
            ("7.1.3", ["--explicitBatch", "--workspace=512", "--buildOnly"]),
            ("8.0.1", ["--workspace=512", "--timingCacheFile=/c/cache", "--buildOnly"]),
            ("8.2.1", ["--workspace=512", "--timingCacheFile=/c/cache", "--buildOnly"]),
            ("8.4.1", ["--memPoolSize=workspace:512", "--timingCacheFile=/c/cache", "--buildOnly"]),
            ("8.6.1", ["--memPoolSize=workspace:512", "--timingCacheFile=/c/cache", "--skipInference"]),
            ("10.2.0", ["--memPoolSize=workspace:512", "--timingCacheFile=/c/cache", "--skipInference"]),
            ("11.0.0", ["--memPoolSize=workspace:512", "--timingCacheFile=/c/cache", "--skipInference"]),
        ],
    )
    def test_building_takes_the_options_that_the_version_has(self, version: str, options: list[str]):
        first = ["/t", "--onnx=/c/m.onnx", "--saveEngine=/c/m.engine", "--shapes=input:1x3x32x32"]
        assert built(version, workspace_mib=512, timing_cache="/c/cache") == [*first, *options]

    @pytest.mark.parametrize(
        ("version", "options"),
        [
            ("7.1.3", "--duration=1 --iterations=70 --avgRuns=1 --percentile=99 --useSpinWait"),
            ("8.2.1", f"--duration=1 --iterations=70 {EXPORT} --percentile=99 --useSpinWait"),
            ("8.4.1", f"--duration=0.5 --iterations=70 {EXPORT} --percentile=99 --useSpinWait"),
            ("10.2.0", f"--duration=0.5 --iterations=70 {EXPORT} --percentile=90,95,99 --useSpinWait"),
            (
                "11.0.0",
                f"--duration=0.5 --iterations=70 {EXPORT} --percentile=90,95,99 --includeDataTransfers --noCudaGraph",
            ),
        ],
    )
    def test_measuring_takes_the_options_that_the_version_has(self, version: str, options: str):
        first = ["/t", "--loadEngine=/c/m.engine", "--shapes=input:1x3x32x32", "--warmUp=500"]
        assert measured(version, warmup_ms=499.5, seconds=0.5, least=70) == [*first, *options.split()]

    def test_half_precision_is_asked_for_by_an_option_where_there_is_one(self):
        assert "--fp16" in built("8.2.1", precision="fp16")
        assert "--fp16" not in built("8.2.1", precision="fp32")
        with pytest.raises(RequestError, match=r"TensorRT 11\.0\.0 takes the precision from the model.*fp32") as error:
            built("11.0.0", precision="fp16")
        sentence(error)

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: built("6.0.1"),
            lambda: measured("7.0.0"),
            lambda: built("8.2.1", precision="int8"),
            lambda: build_command((8, 2, 1), "/t", "--verbose", "/c/m.engine", IMAGE),
            lambda: build_command((8, 2, 1), "/t", "/c/m.onnx", "m.engine", IMAGE),
            lambda: build_command((8, 2, 1), "/t", "/c/m.onnx", "/c/m.engine", (3, 32)),
            lambda: build_command((8, 2, 1), "/t", "/c/m.onnx", "/c/m.engine", (3, 0, 32)),
            lambda: measured("8.2.1", seconds=0),
            lambda: measured("8.2.1", seconds=math.nan),
            lambda: measured("8.2.1", warmup_ms=-1),
            lambda: measured("8.2.1", least=0),
        ],
    )
    def test_what_cannot_be_asked_of_trtexec_is_refused_before(self, wrong: Callable[[], object]):
        with pytest.raises(RequestError) as error:
            wrong()
        sentence(error)


class TestNumbers:
    @pytest.mark.parametrize("version", trtexec_output.ALL)
    def test_samples_are_those_after_the_warm_up_in_every_format(self, version: str):
        samples = read(version).samples
        assert samples.latency_ms == trtexec_output.LATENCY_MS
        assert samples.gpu_ms == trtexec_output.GPU_MS
        transfers = (None, None) if version == "7.1.3" else (trtexec_output.H2D_MS, trtexec_output.D2H_MS)
        assert (samples.h2d_ms, samples.d2h_ms) == transfers

    @pytest.mark.parametrize("version", trtexec_output.ALL)
    def test_the_summary_is_read_in_every_format(self, version: str):
        told = read(version).summary
        assert (told.n, told.walltime_s, told.throughput_qps) == (5, trtexec_output.WALLTIME_S, 625.0)
        latency = (told.latency.min_ms, told.latency.median_ms, told.latency.mean_ms, told.latency.max_ms)
        assert latency == (1.07, 1.26, 1.262, 1.46)
        assert (told.gpu.min_ms, told.gpu.median_ms, told.gpu.mean_ms, told.gpu.max_ms) == (1.0, 1.2, 1.2, 1.4)
        assert told.enqueue is not None and told.enqueue.median_ms == 0.3
        several = {90.0: 1.46, 95.0: 1.46, 99.0: 1.46}
        assert told.latency.percentiles_ms == (several if of(version) >= (8, 5) else {99.0: 1.46})
        if version == "7.1.3":
            assert told.h2d is None and told.d2h is None
        else:
            assert told.h2d is not None and (told.h2d.max_ms, told.h2d.mean_ms) == (0.06, 0.05)
            assert told.d2h is not None and told.d2h.median_ms == 0.01

    @pytest.mark.parametrize("version", trtexec_output.ALL)
    def test_the_banner_says_which_version_it_was_where_it_says_so(self, version: str):
        assert read(version).version == (None if version == "7.1.3" else of(version))

    def test_times_of_7_2_have_other_names_for_transfers(self):
        older = [
            {"startComputeMs": start, "inMs": h2d, "computeMs": gpu, "outMs": d2h, "latencyMs": latency}
            for start, h2d, gpu, d2h, latency in zip(
                trtexec_output.STARTS_MS,
                trtexec_output.H2D_MS,
                trtexec_output.GPU_MS,
                trtexec_output.D2H_MS,
                trtexec_output.LATENCY_MS,
                strict=True,
            )
        ]
        samples = parse(trtexec_output.V7_1, "", older, (7, 2, 1), trtexec_output.WARMUP_MS).samples
        assert (samples.h2d_ms, samples.d2h_ms) == (trtexec_output.H2D_MS, trtexec_output.D2H_MS)

    def test_a_warm_up_query_whose_start_was_rounded_up_to_the_end_is_no_sample(self):
        rounded = trtexec_output.times((8, 2, 1)) or []
        rounded[1]["startComputeMs"] = 200.0
        assert read("8.2.1", times=rounded).samples.latency_ms == trtexec_output.LATENCY_MS

    def test_transfers_are_part_of_the_latency_unless_the_command_line_left_them_out(self):
        assert all(read(version).transfers for version in trtexec_output.ALL)
        bare = trtexec_output.V11.replace("--includeDataTransfers ", "")
        assert not read("11.0.0", out=bare).transfers
        without = trtexec_output.V8_2.replace("--exportTimes", "--noDataTransfers --exportTimes")
        assert not read("8.2.1", out=without).transfers

    def test_warnings_are_told_once_each_and_in_whole(self):
        told = ("* Throughput may be bound by Enqueue Time.", "  Use a graph.", "[TRT] INT64", "[TRT] INT64")
        err = "".join(f"[11/21/2021-14:49:50] [W] {text}\n" for text in told)
        got = read("8.2.1", err=err).warnings
        assert got == ("* Throughput may be bound by Enqueue Time. Use a graph.", "[TRT] INT64")


class TestNonsense:
    @pytest.mark.parametrize("version", trtexec_output.ALL)
    @pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-1.26", "", "1,26", "0x1p3"])
    def test_a_number_that_is_none_is_never_a_result(self, version: str, value: str):
        broken = (
            trtexec_output.ALL[version]
            .replace("median: 1.26", f"median: {value}")
            .replace("median = 1.26", f"median = {value}")
        )
        assert broken != trtexec_output.ALL[version]
        with pytest.raises(WorkError, match="median Latency") as error:
            read(version, out=broken)
        sentence(error)

    @pytest.mark.parametrize("version", trtexec_output.ALL)
    def test_a_latency_of_zero_is_no_result(self, version: str):
        zero = trtexec_output.ALL[version].replace("median = 1.26", "median = 0").replace("median: 1.26", "median: 0")
        with pytest.raises(WorkError, match="0 ms, which cannot be"):
            read(version, out=zero)

    @pytest.mark.parametrize("version", trtexec_output.ALL)
    def test_samples_that_disagree_with_the_summary_are_refused_saying_how(self, version: str):
        other = (
            trtexec_output.ALL[version]
            .replace("median = 1.26", "median = 1.31")
            .replace("median: 1.26", "median: 1.31")
        )
        with pytest.raises(WorkError, match=r"median latency is 1\.26 ms in the times and 1\.31 ms in the summary"):
            read(version, out=other)

    def test_a_rounded_summary_agrees(self):
        close = trtexec_output.V8_2.replace("median = 1.26 ms", "median = 1.26001 ms")
        assert read("8.2.1", out=close).samples.latency_ms == trtexec_output.LATENCY_MS

    def test_times_that_are_fewer_than_the_summary_says_are_refused(self):
        with pytest.raises(WorkError, match="exported 4 queries after the warm-up and tells of 5"):
            read("10.2.0", times=(trtexec_output.times((10, 2, 0)) or [])[1:])

    def test_output_of_7_1_that_was_cut_at_its_head_is_refused(self):
        cut = trtexec_output.V7_1[trtexec_output.V7_1.index("GPU latency: 1.4 ms") - 60 :]
        with pytest.raises(WorkError, match=r"3 of 5 queries reached us.*fewer seconds"):
            read("7.1.3", out=cut)

    @pytest.mark.parametrize(
        "times",
        [None, [], {}, "x", [1, 2], [{}], [{"latencyMs": 1.0}]],
        ids=["none", "empty", "object", "text", "numbers", "no keys", "one key"],
    )
    def test_times_that_are_no_list_of_queries_are_refused(self, times: Any):
        with pytest.raises(WorkError, match="times") as error:
            read("8.2.1", times=times, times_error="t.json was not written")
        assert times is not None or "t.json was not written" in sentence(error)

    @pytest.mark.parametrize("value", [None, "1.2", math.nan, math.inf, -0.1, [1.0]])
    @pytest.mark.parametrize("key", ["latencyMs", "computeMs", "h2dMs", "d2hMs", "startComputeMs"])
    def test_a_query_with_a_time_that_is_none_is_refused_by_its_name(self, key: str, value: Any):
        times = trtexec_output.times((8, 6, 1)) or []
        times[2][key] = value
        with pytest.raises(WorkError, match=key):
            read("8.6.1", times=times)

    @pytest.mark.parametrize("version", trtexec_output.ALL)
    @given(data=st.data())
    def test_whatever_lines_are_lost_the_samples_are_right_or_refused(self, version: str, data: st.DataObject):
        lines = trtexec_output.ALL[version].splitlines(keepends=True)
        kept = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
        text = "".join(line for line, keep in zip(lines, kept, strict=True) if keep)
        try:
            got = read(version, out=text)
        except WorkError as error:
            assert "\n" not in str(error)
        else:
            assert got.samples.latency_ms == trtexec_output.LATENCY_MS

    @pytest.mark.parametrize("version", trtexec_output.ALL)
    @given(data=st.data())
    def test_whatever_stands_in_place_of_a_piece_is_refused_or_changes_no_sample(
        self, version: str, data: st.DataObject
    ):
        text = trtexec_output.ALL[version]
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        junk = data.draw(st.text(st.sampled_from("0123456789.-nanif ms\n[]IWE&=:%,"), max_size=12))
        try:
            got = read(version, out=text[:start] + junk + text[end:])
        except WorkError as error:
            assert "\n" not in str(error)
        else:
            assert got.samples.latency_ms == pytest.approx(trtexec_output.LATENCY_MS, rel=2e-3) or version == "7.1.3"
            assert got.samples.gpu_ms == pytest.approx(trtexec_output.GPU_MS, rel=2e-3) or version == "7.1.3"
            assert all(0 < each < math.inf for each in got.samples.latency_ms)

    @given(st.text())
    def test_any_text_is_refused_in_one_sentence(self, text: str):
        with pytest.raises(WorkError) as error:
            read("8.2.1", out=text, err=text)
        assert "\n" not in str(error.value)


RUNNING = "&&&& RUNNING TensorRT.trtexec [TensorRT v8201] # trtexec"
FAILED = "&&&& FAILED TensorRT.trtexec [TensorRT v8201] # trtexec"
E = "[11/21/2021-14:49:50] [E]"


def failed(err: str, out: str = f"{RUNNING}\n{FAILED}\n", version: str = "8.2.1", code: int | None = 1) -> Outcome:
    ended = read_outcome(out, err, version=of(version), code=code)
    assert ended.status == "failed"
    assert ended.cause and "\n" not in ended.cause
    return ended


class TestFailures:
    @pytest.mark.parametrize(
        ("err", "words"),
        [
            (
                f"{E} [TRT] 3: getPluginCreator could not find plugin: Round version: 1\n"
                f'{E} [TRT] ModelImporter.cpp:720: While parsing node number 12 [If -> "cond:0"]:\n'
                f"{E} [TRT] ModelImporter.cpp:726: ERROR: builtin_op_importers.cpp:4643 In function f:\n"
                '[8] Assertion failed: creator && "Plugin not found, are the plugin name correct?"\n'
                f"{E} Failed to parse onnx file\n{E} Engine set up failed\n",
                "TensorRT 8.2.1 has no operator Round (node 12 of the model)",
            ),
            (
                'While parsing node number 135 [HardSwish -> "538"]:\n'
                "ERROR: ModelImporter.cpp:134 In function parseGraph:\n[8] No importer registered for op: HardSwish\n"
                "[E] Failed to parse onnx file\n",
                "has no operator HardSwish (node 135 of the model)",
            ),
            (
                f'{E} [TRT] ModelImporter.cpp:963: While parsing node number 7 [Gelu -> "a"]:\n'
                f"{E} [TRT] ModelImporter.cpp:968: ERROR: onnxOpCheckers.cpp:819 In function f:\n"
                '[6] creator && "Plugin not found, are the plugin name, version, and namespace correct?"\n'
                f'{E} [TRT] ModelImporter.cpp:963: While parsing node number 9 [HardSwish -> "b"]:\n',
                "has no operators Gelu, HardSwish (node 7 of the model)",
            ),
            (
                f'{E} [TRT] ModelImporter.cpp:773: While parsing node number 30 [Resize -> "up"]:\n'
                f"{E} [TRT] ModelImporter.cpp:779: ERROR: builtin_op_importers.cpp:3422 In function importResize:\n"
                '[8] Assertion failed: mode != "cubic" && "This version does not support cubic interpolation!"\n'
                f"{E} Failed to parse onnx file\n",
                "refused node 30 of the model, a Resize: This version does not support cubic interpolation!",
            ),
            (
                f"{E} Error[1]: [defaultAllocator.cpp::allocate::20] Error Code 1: Cuda Runtime (out of memory)\n"
                f"{E} Error[10]: Error Code 10: Internal Error (Could not find any implementation for node conv1.)\n",
                "ran out of memory",
            ),
            (
                f"{E} [TRT] ../rtSafe/safeRuntime.cpp (25) - Cuda Error in allocate: 2 (out of memory)\n",
                "out of memory",
            ),
            ("terminate called after throwing an instance of 'std::bad_alloc'\n", "ran out of memory"),
            (
                f"{E} Error[1]: [stdArchiveReader.cpp::StdArchiveReader::40] Error Code 1: Serialization "
                "(Serialization assertion stdVersionRead == serializationVersion failed.Version tag does not match. "
                "Note: Current Version: 205, Serialized Engine Version: 213)\n"
                f"{E} Error[4]: [runtime.cpp::50] Error Code 4: Internal Error (Engine deserialization failed.)\n",
                "the engine was not built by TensorRT 8.2.1",
            ),
            ("[E] [TRT] coreReadArchive.cpp (31) - verifyHeader: 0 (Magic tag does not match)\n", "was not built by"),
            (
                f"{E} 6: The engine plan file is generated on an incompatible device, expecting compute 6.2 "
                "got compute 7.2, please rebuild.\n",
                "another GPU (compute 7.2, here 6.2)",
            ),
            (f"{E} Error opening engine file: /c/m.engine\n{E} Engine set up failed\n", "cannot read /c/m.engine"),
            (f"{E} Could not open file /c/m.onnx\n{E} Failed to parse onnx file\n", "cannot read /c/m.onnx"),
            (f"{E} Cannot open engine file: /c/a b.engine\n", "cannot write /c/a b.engine"),
            (f"{E} Saving engine to file failed.\n", "cannot write the engine: is the disk full?"),
            (f"{E} Unknown option: --memPoolSize workspace:512\n", "does not know the option --memPoolSize"),
            (
                f"{E} Error[10]: [optimizer.cpp::computeCosts::1855] Error Code 10: Internal Error (Could not find any "
                "implementation for node Conv_0 + Relu_1 due to insufficient workspace. See verbose log.)\n",
                "no way to run Conv_0 + Relu_1 within the workspace",
            ),
            ("Cuda failure: no CUDA-capable device is detected\n", "CUDA does not work on the board (no CUDA-capable"),
            (
                f"{E} [TRT] 1: CUDA initialization failure with error: 35\n{E} Builder creation failed\n",
                "CUDA does not work on the board (error 35)",
            ),
            (
                "trtexec: error while loading shared libraries: libnvinfer.so.8: cannot open shared object file\n",
                "cannot start (libnvinfer.so.8: cannot open shared object file)",
            ),
            (
                f'{E} Cannot find input tensor with name "data" in the engine bindings!\n'
                f"{E} Invalid tensor names found in --shapes flag.\n{E} Inference set up failed\n",
                'trtexec says: Cannot find input tensor with name "data"',
            ),
            (
                f"{E} [TRT] 2: [weightConvertors.cpp::quantize::19] Error Code 2: Internal Error (odd scale)\n"
                f"{E} Engine set up failed\n",
                "TensorRT 8.2.1 broke off with an internal error (odd scale)",
            ),
            (f"{E} \x1b[31mred\x07 alert\n", "trtexec says: [31mred alert"),
            ("Segmentation fault\n", "trtexec crashed with a segmentation fault (status 1)"),
        ],
    )
    def test_the_cause_is_told_and_not_the_last_line(self, err: str, words: str):
        cause = failed(err).cause or ""
        assert words in cause
        with pytest.raises(WorkError, match="building the engine failed: "):
            failed(err).or_fail("building the engine")

    def test_output_without_a_verdict_is_a_failure_even_with_status_0(self):
        assert "with status 0 and printed nothing" in (failed("", out="", code=0).cause or "")
        assert "without a verdict" in (failed("", out=RUNNING, code=None).cause or "")

    def test_a_crash_after_the_verdict_is_a_failure(self):
        assert "status -11" in (failed("", out=trtexec_output.V8_2, code=-11).cause or "")

    @pytest.mark.parametrize("code", [-9, 137])
    def test_a_killed_trtexec_points_to_memory(self, code: int):
        assert "memory" in (failed("", out=RUNNING, code=code).cause or "")

    def test_the_version_in_the_sentence_is_the_one_that_ran(self):
        err = f"{E} Unknown option: --x y\n"
        assert "TensorRT 8.2.1 does not know" in (failed(err, version="8.4.1").cause or "")

    def test_a_failed_measurement_is_an_error_with_the_cause(self):
        with pytest.raises(WorkError, match=r"timing with trtexec failed: trtexec cannot read /c/m\.engine"):
            read("8.2.1", out=f"{RUNNING}\n{FAILED}\n", err=f"{E} Error opening engine file: /c/m.engine\n", code=1)


def run(argv: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=180)


class Timed:
    """A network built and timed with a fake board's trtexec."""

    def __init__(self, folder: Path, version: str, **settings: Any) -> None:
        self.version = of(version)
        self.board = Board(folder, tensorrt=version, build_s=0.0, measure_s=0.0, **settings)
        self.onnx, self.engine, self.times = folder / "m.onnx", folder / "m.engine", folder / "t.json"
        self.onnx.write_bytes(b"a network")

    def build(self, **more: Any) -> Outcome:
        argv = build_command(
            self.version, str(self.board.trtexec), str(self.onnx), str(self.engine), IMAGE,
            timing_cache=str(self.engine.with_suffix(".cache")), **more,
        )  # fmt: skip
        done = run(argv)
        return read_outcome(done.stdout, done.stderr, version=self.version, code=done.returncode)

    def measure(self, **more: Any) -> Timing:
        given = {"warmup_ms": 50, "seconds": 0.4, "least": 70, **more}
        trtexec, engine = str(self.board.trtexec), str(self.engine)
        done = run(measure_command(self.version, trtexec, engine, IMAGE, times=str(self.times), **given))
        times, problem = None, None
        if exports_times(self.version):
            try:
                times = json.loads(self.times.read_text(), parse_constant=pytest.fail)
            except (OSError, ValueError) as error:
                problem = str(error)
        return parse(
            done.stdout, done.stderr, times, self.version, given["warmup_ms"], code=done.returncode, times_error=problem
        )


class TestOnABoard:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_every_sample_is_what_was_measured(self, tmp_path: Path, version: str):
        timed = Timed(tmp_path, version)
        assert timed.build().or_fail("building").status == "passed"
        got = timed.measure()
        (real,) = timed.board.runs()
        assert real.warmups > 0
        assert len(got.samples.latency_ms) == len(real.latency_ms) >= 70
        assert got.samples.latency_ms == pytest.approx(real.latency_ms, rel=1e-5)
        assert got.samples.gpu_ms == pytest.approx(real.gpu_ms, rel=1e-5)
        if version != "7.1.3":
            assert got.samples.h2d_ms == pytest.approx(real.h2d_ms, rel=1e-5)
            assert got.samples.d2h_ms == pytest.approx(real.d2h_ms, rel=1e-5)
        assert got.summary.walltime_s == pytest.approx(real.walltime_s, rel=1e-5)
        assert got.transfers and got.version in (None, of(version))

    @pytest.mark.parametrize("version", VERSIONS)
    def test_an_operator_that_is_not_there_is_named(self, tmp_path: Path, version: str):
        timed = Timed(tmp_path, version, trtexec="fails", operator="Gelu")
        assert f"TensorRT {version} has no operator Gelu (node 12 of the model)" in (timed.build().cause or "")
        assert not timed.engine.exists()

    @pytest.mark.parametrize("version", VERSIONS)
    def test_lack_of_memory_is_told(self, tmp_path: Path, version: str):
        timed = Timed(tmp_path, version, trtexec="oom", when=["build", "measure"])
        assert "ran out of memory" in (timed.build().cause or "")
        timed.board.behave(mode="good")
        timed.build().or_fail("building")
        timed.board.behave(mode="oom", when=["measure"])
        with pytest.raises(WorkError, match="timing with trtexec failed: the board ran out of memory"):
            timed.measure()

    @pytest.mark.parametrize("version", VERSIONS)
    def test_nan_and_silence_are_no_measurements(self, tmp_path: Path, version: str):
        timed = Timed(tmp_path, version, trtexec="nan")
        timed.build().or_fail("building")
        with pytest.raises(WorkError, match="nan"):
            timed.measure()
        timed.board.behave(mode="silent", when=["measure"])
        with pytest.raises(WorkError, match="with status 0 and printed nothing"):
            timed.measure()

    @pytest.mark.parametrize("version", ["7.1.3", "8.2.1", "10.2.0"])
    def test_an_engine_of_another_version_or_board_or_none_is_told(self, tmp_path: Path, version: str):
        timed = Timed(tmp_path, version)
        with pytest.raises(WorkError, match=r"cannot read .*m\.engine"):
            timed.measure()
        timed.build().or_fail("building")
        timed.board.behave(compute="7.2")
        with pytest.raises(WorkError, match=r"another GPU \(compute 6\.2, here 7\.2\)"):
            timed.measure()
        timed.engine.write_bytes(b"not an engine")
        with pytest.raises(WorkError, match=f"not built by TensorRT {version}"):
            timed.measure()

    def test_two_networks_differ_and_half_precision_is_faster(self, tmp_path: Path):
        timed = Timed(tmp_path, "8.2.1")
        timed.board.latency(timed.onnx, 2.0)
        timed.build().or_fail("building")
        slow = timed.measure().summary.gpu.median_ms
        timed.build(precision="fp16").or_fail("building")
        half = timed.measure().summary.gpu.median_ms
        timed.board.latency(timed.onnx, 1.0)
        timed.build().or_fail("building")
        quick = timed.measure().summary.gpu.median_ms
        assert slow == pytest.approx(2.03, rel=0.02)
        assert half == pytest.approx(0.6 * slow, rel=0.02)
        assert quick == pytest.approx(slow / 2, rel=0.02)


class TestGarbage:
    """A tool, or whoever stands in for it, may print anything: it is read soon, or refused with a sentence."""

    @pytest.mark.parametrize(
        "text",
        [
            "percentile(" * 95_000,
            "Latency: " + "percentile(" * 95_000,
            "Cuda failure at " * 65_000,
            "[E] " + "1: " * 340_000,
            "\n".join(["[E] " + "1: " * 1300] * 250),
            "[E] While parsing node number 1 [A\n" + "could not find plugin a\n" * 43_000,
            "[W]   x\n" * 130_000,
            "\n" * (1 << 20),
            "Timing trace has " + "9" * 10_000 + " queries over 1 s",
            "=== Performance summary ===\nTiming trace has 999999999999 queries over 1e-320 s\nThroughput: 1e308 qps",
            "\x1b[2J\x00\ud800\u202e" * 100_000,
        ],
        ids=lambda text: repr(text[:20]),
    )
    @pytest.mark.parametrize("verdict", ["&&&& PASSED TensorRT.trtexec\n", ""])
    def test_any_output_is_refused_soon(self, text: str, verdict: str):
        began = time.monotonic()
        for out, err in ((f"{text}\n{verdict}", ""), (verdict, text)):
            with pytest.raises(WorkError) as error:
                parse(out, err, None, (8, 2, 1), 200.0)
            assert len(str(error.value)) < 1500
        assert time.monotonic() - began < 100

    @pytest.mark.parametrize("odd", [None, True, -1, math.nan, math.inf, 10**400, "1", [], {}, 1e300])
    def test_a_time_that_is_none_is_refused(self, odd: object):
        times = [{**row} for row in trtexec_output.times((8, 2, 1))]
        times[-1]["latencyMs"] = odd
        with pytest.raises(WorkError) as error:
            parse(trtexec_output.V8_2, "", times, (8, 2, 1), trtexec_output.WARMUP_MS)
        sentence(error)
