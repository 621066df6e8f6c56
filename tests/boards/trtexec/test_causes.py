"""The cause of each kind of failure, as TensorRT 7.2 to 10.x word it: what a user reads."""

import re

import pytest

from engine.boards.trtexec.commands import default_workspace_mib
from engine.boards.trtexec.output import Outcome, parse, read_outcome
from tests.support import trtexec_output

INFO, W, E = (f"[11/21/2021-14:49:50] [{level}]" for level in "IWE")
AFTERMATH = f"{E} Failed to parse onnx file\n{INFO} Finish parsing network model\n{E} Parsing model failed\n"
NOT_BUILT = (
    f"{E} Error[2]: [builder.cpp::buildSerializedNetwork::609] Error Code 2: Internal Error (Assertion enginePtr != "
    f"nullptr failed. )\n{E} Engine could not be created from network\n{E} Building engine failed\n"
)
BUILD = "&&&& RUNNING TensorRT.trtexec [TensorRT v8201] # trtexec --onnx=/c/m.onnx --workspace=1024"
LOAD = "&&&& RUNNING TensorRT.trtexec [TensorRT v8201] # trtexec --loadEngine=/c/m.engine"
OLD = "&&&& RUNNING TensorRT.trtexec # trtexec --onnx=/c/m.onnx --workspace=1024"
NEW = "&&&& RUNNING TensorRT.trtexec [TensorRT v100300] [b17] # trtexec --onnx=/c/m.onnx --memPoolSize=workspace:2048"


def failed(err: str, command: str = BUILD, code: int | None = 1, version: tuple[int, ...] = (7, 2, 3)) -> Outcome:
    """How a run ended that printed this on standard error; 7.2 where the banner does not say another version."""
    out = f"{command}\n{INFO} === Model Options ===\n{INFO} Start parsing network model\n"
    ended = read_outcome(out, err, version=version, code=code)
    assert ended.status == "failed" and ended.cause and "\n" not in ended.cause
    return ended


def cause(err: str, command: str = BUILD, code: int | None = 1) -> str:
    return str(failed(err, command, code).cause)


def report(operator: str, function: str, reason: str, number: int = 12) -> str:
    """How the parser tells of a node that it refused, from 8.0 on."""
    return (
        f'{E} [TRT] ModelImporter.cpp:773: While parsing node number {number} [{operator} -> "x"]:\n'
        f"{E} [TRT] ModelImporter.cpp:774: --- Begin node ---\n"
        f'{E} [TRT] ModelImporter.cpp:775: input: "1"\noutput: "x"\nname: "{operator}_7"\nop_type: "{operator}"\n\n'
        f"{E} [TRT] ModelImporter.cpp:776: --- End node ---\n"
        f"{E} [TRT] ModelImporter.cpp:779: ERROR: ModelImporter.cpp:180 In function {function}:\n{reason}\n{AFTERMATH}"
    )


class TestRefusedNodes:
    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ("Attribute not found: pads", "Attribute not found: pads"),
            ("All inputs to range should be initializers.", "All inputs to range should be initializers."),
            (
                "[graphShapeAnalyzer.cpp::analyzeShapes::1294] Error Code 4: Miscellaneous (IElementWiseLayer Pad_7: "
                "broadcast dimensions must be conformable)",
                "IElementWiseLayer Pad_7: broadcast dimensions must be conformable",
            ),
            (
                "ITensor::getDimensions: Error Code 4: API Usage Error (Pad_7: number of weights does not match)",
                "Pad_7: number of weights does not match",
            ),
            (f"{E} [TRT] 4: [pad.cpp::pad::12] Error Code 4: Internal Error (Pad_7: too many)", "Pad_7: too many"),
        ],
    )
    @pytest.mark.parametrize("name", ["Pad_7", "/model/layers.0/Pad"])
    def test_of_an_invalid_node_the_next_line_is_the_cause(self, name: str, said: str, reason: str):
        err = report("Pad", "parseGraph", f"[6] Invalid Node - {name}\n{said}")
        assert cause(err) == f"TensorRT 8.2.1 refused node 12 of the model, a Pad: {reason}"

    def test_a_cause_that_was_told_before_the_node_is_found_there(self):
        earlier = f"{E} [TRT] 4: [graph.cpp::f::539] Error Code 4: Internal Error (Concat_7: dimensions differ)\n"
        err = earlier + report("Concat", "parseGraph", "[6] Invalid Node - Concat_7")
        assert cause(err).endswith("a Concat: Concat_7: dimensions differ")

    def test_an_invalid_node_without_any_cause_is_only_named(self):
        err = report("Concat", "parseGraph", "[6] Invalid Node - Concat_7") + report("Pad", "parseGraph", "[8] no", 13)
        assert cause(err) == "TensorRT 8.2.1 refused node 12 of the model, a Concat"

    @pytest.mark.parametrize("reason", ["No importer registered for op: Gelu", '[8] Assertion failed: creator && "x"'])
    def test_an_operator_without_importer_and_plugin_is_a_cause_of_its_own(self, reason: str):
        told = cause(report("Gelu", "parseGraph", f"[6] Invalid Node - Gelu_7\n{reason}"))
        assert told == (
            "TensorRT 8.2.1 has no operator Gelu (node 12 of the model): "
            "no importer and no plugin of that name is there"
        )

    @pytest.mark.parametrize(
        ("operator", "article"),
        [("Identity", "an"), ("Resize", "a"), ("LSTM", "an"), ("GRU", "a"), ("LRN", "an"), ("LpPool", "an"),
         ("Unsqueeze", "an"), ("Unique", "a"), ("OneHot", "a"), ("Einsum", "an"), ("HardSwish", "a")],
    )  # fmt: skip
    def test_operators_have_the_article_that_is_said(self, operator: str, article: str):
        told = cause(report(operator, f"import{operator}", "[8] Assertion failed: rank == 4"))
        assert told == f"TensorRT 8.2.1 refused node 12 of the model, {article} {operator}: rank == 4"

    @pytest.mark.parametrize(
        ("err", "told"),
        [
            (
                "ERROR: builtin_op_importers.cpp:2412 In function importResize:\n"
                '[8] Assertion failed: scales.is_weights() && "Resize scales must be an initializer!"\n',
                "refused a Resize of the model: Resize scales must be an initializer!",
            ),
            (
                "[8] Assertion failed: axis >= 0 && axis < nbDims\nIn function importArgMax\n",
                "refused an ArgMax of the model: axis >= 0 && axis < nbDims",
            ),
            (
                f"{E} [TRT] INT64 weights\nERROR: ModelImporter.cpp:92 In function parseGraph:\n"
                "[8] Assertion failed: convertOnnxWeights(initializer, &weights, ctx)\n",
                "refused the model: convertOnnxWeights(initializer, &weights, ctx)",
            ),
            (
                "In node -1 (importInput): UNSUPPORTED_NODE: Assertion failed: convertDtype(onnxDtype, &trtDtype)\n",
                "refused the model: convertDtype(onnxDtype, &trtDtype)",
            ),
            (
                "In node 5 with name: Up_5 and operator: Resize (importResize): UNSUPPORTED_NODE: "
                "Assertion failed: scales.is_weights()\n",
                "refused node 5 of the model, a Resize: scales.is_weights()",
            ),
        ],
    )
    def test_a_refusal_that_tells_no_node_is_told_by_its_function_and_assertion(self, err: str, told: str):
        assert cause(err + AFTERMATH, OLD) == f"TensorRT 7.2.3 {told}"


class TestCrashes:
    @pytest.mark.parametrize(
        ("code", "how"),
        [(-11, "a segmentation fault"), (139, "a segmentation fault"), (-6, "an abort"), (134, "an abort"),
         (-7, "a bus error"), (-4, "an illegal instruction"), (-8, "an arithmetic exception"), (-40, "signal 40")],
    )  # fmt: skip
    @pytest.mark.parametrize("err", ["", f"{W} [TRT] Your model has INT64 weights.\nCasting down to INT32.\n"])
    def test_a_signal_is_a_crash_and_a_remark_is_nobodys_last_word(self, code: int, how: str, err: str):
        told = cause(err, code=code)
        assert told.startswith(f"trtexec crashed with {how} (status {code}) and did not say why: time it again")
        assert not any(words in told for words in ("parsing", "INT64", "Casting"))

    @pytest.mark.parametrize(
        ("words", "how"),
        [
            ("Segmentation fault (core dumped)", "a segmentation fault"),
            ("/bin/sh: line 1: 77 Bus error   trtexec", "a bus error"),
            ("Aborted", "an abort"),
            ("*** stack smashing detected ***: terminated", "an abort"),
            ("free(): invalid pointer", "an abort"),
        ],
    )
    def test_the_words_of_a_crash_are_one_whatever_the_status(self, words: str, how: str):
        assert cause(f"{W} a remark\n{words}\n").startswith(f"trtexec crashed with {how} (status 1)")

    def test_what_was_thrown_or_asserted_is_the_reason(self):
        thrown = (
            "terminate called after throwing an instance of 'std::out_of_range'\n  what():  Attribute not found: x\n"
        )
        assert cause(thrown, code=-6) == "trtexec crashed with an abort (status -6): Attribute not found: x"
        asserted = "trtexec: sampleInference.cpp:844: void f(): Assertion `ret' failed.\n"
        assert cause(asserted, code=-6).endswith("(status -6): Assertion `ret' failed")
        error = f"{E} [TRT] 3: [x.cpp::f::1] Error Code 3: API Usage Error (odd shape)\n"
        assert cause(error, code=-11).endswith("(status -11): odd shape")

    def test_a_crash_with_a_known_cause_tells_both(self):
        told = cause("NvMapMemAllocInternalTagged: 1075072515 error 12\n", code=-11)
        assert told.startswith("trtexec crashed with a segmentation fault (status -11): the board ran out of memory")

    def test_who_was_ended_from_outside_did_not_crash(self):
        assert "somebody ended trtexec on the board (SIGTERM, status -15)" in cause("", code=-15)
        assert "killed, which a board does when its memory runs out" in cause("", code=-9)

    @pytest.mark.parametrize("level", [INFO, W])
    def test_without_a_crash_remarks_are_no_last_words_either(self, level: str):
        assert cause(f"{level} all is well\ngoes on\n") == (
            "trtexec ended with status 1 and printed nothing of use: run it by hand on the device and look"
        )
        assert cause(f"{level} all is well\ntrtexec: no such luck\n").endswith("last words were: trtexec: no such luck")


NO_KERNEL = (
    f"{E} Error[10]: [optimizer.cpp::computeCosts::2011] Error Code 10: Internal Error (Could not find any "
    f"implementation for node {{ForeignNode[a.0...b]}}.)\n{NOT_BUILT}"
)
TACTIC = f"{W} [TRT] Tactic Device request: 4248MB Available: 2507MB. Device memory is insufficient to use tactic.\n"


class TestResources:
    @pytest.mark.parametrize(
        "err",
        [
            "NvMapMemAllocInternalTagged: 1075072515 error 12\nNvMapMemHandleAlloc: error 0\n",
            "Cuda failure: out of memory\n",
            "Cuda failure: 2\n",
            f"{E} [TRT] ../rtSafe/safeRuntime.cpp (25) - Cuda Error in allocate: 2 (out of memory)\n",
            f"{E} Error[9]: Error Code: 9: Skipping tactic 0x0 due to exception [graph.cpp:create:117] autotuning: "
            f"User allocator error allocating 15485030400-byte buffer\n{NO_KERNEL}",
            f"{W} [TRT] GPU memory allocation error during getBestTactic: Conv_0\n{NO_KERNEL}",
            f"{W} [TRT] Skipping tactic 2 due to oom error on requested size of 9 detected for tactic 2.\n{NO_KERNEL}",
            f"{W} [TRT] Skipping tactic 0 due to insufficient memory on requested size of 1048576.\n{NO_KERNEL}",
        ],
    )
    def test_memory_of_the_board(self, err: str):
        told = "the board ran out of memory: close what else runs there, lower --workspace, or take a smaller network"
        assert cause(err) == told

    def test_what_measures_has_no_workspace_to_lower(self):
        told = "the board ran out of memory: close what else runs there, or take a smaller network"
        assert cause("Cuda failure: out of memory\n", LOAD) == told

    @pytest.mark.parametrize("rest", [NO_KERNEL, NOT_BUILT, ""])
    @pytest.mark.parametrize("level", [W, E])
    def test_kernels_that_the_board_has_no_memory_for_are_told_with_their_size(self, level: str, rest: str):
        err = TACTIC.replace(W, level) + "Try decreasing the workspace size.\n" + rest
        assert cause(err).startswith("the board ran out of memory (a kernel needs 4248 MB, and 2507 MB are free): ")

    def test_kernels_that_were_passed_over_are_not_the_cause_of_another_failure(self):
        assert cause(f"{TACTIC}{E} Cannot open engine file: /c/m.engine\n") == (
            "trtexec cannot write /c/m.engine: is the disk full?"
        )
        assert "internal error (odd)" in cause(f"{TACTIC}{E} 2: [a.cpp::f::1] Error Code 2: Internal Error (odd)\n")

    @pytest.mark.parametrize(
        ("err", "more"),
        [
            (f"{W} [TRT] Skipping tactic 0 due to insuficient memory on requested size of 3145728000 detected for "
             f"tactic 0.\n{NO_KERNEL}", 4096),
            (NO_KERNEL.replace("}.)", "} due to insufficient workspace. See verbose log for requested sizes.)"), 2048),
            (f"{TACTIC}{NO_KERNEL.replace('}.)', '} due to insufficient workspace. See verbose log.)')}", 2048),
            (f"{E} [TRT] Internal error: could not find any implementation for node {{ForeignNode[a.0...b]}}, "
             "try increasing the workspace size with IBuilder::setMaxWorkspaceSize()\n", 2048),
        ],
    )  # fmt: skip
    def test_the_workspace_and_how_to_raise_it(self, err: str, more: int):
        assert cause(err) == (
            "TensorRT 8.2.1 found no way to run {ForeignNode[a.0...b]} within the workspace of 1024 MiB: "
            f"raise it, such as with --workspace {more}"
        )

    def test_the_workspace_is_not_to_be_raised_beyond_what_can_be_asked_for(self):
        least = f"{BUILD.partition('--work')[0]}--workspace=65536"
        assert cause(f"{E} Could not find any implementation for node a due to insufficient workspace.\n", least) == (
            "TensorRT 8.2.1 found no way to run a within the workspace of 65536 MiB, and no more than 65536 MiB can be "
            "given: take a smaller network"
        )

    @pytest.mark.parametrize("end", [".)", ". In computeCosts at /_src/optimizer.cpp:4265)", ")"])
    def test_a_kernel_that_is_missing(self, end: str):
        told = cause(NO_KERNEL.replace("}.)", f"}}{end}"), NEW)
        assert told.startswith("TensorRT 10.3.0 has no kernel for {ForeignNode[a.0...b]} on this GPU (could not find")

    @pytest.mark.parametrize(
        ("err", "told"),
        [
            (
                f"{W} [TRT] Skipping tactic 0x0 due to Myelin error: Autotuner: no tactics\n{NO_KERNEL}",
                "{ForeignNode[a.0...b]}: Autotuner: no tactics",
            ),
            (f"{E} 1: [c.cpp::f::894] Error Code 1: Myelin (No Myelin Error exists)\n", "No Myelin Error exists"),
            (
                f"{E} IBuilder::build: Error Code 9: Internal Error: MyelinCheckException: gvn.cpp:318: CHECK()",
                "gvn.cpp:318: CHECK()",
            ),
            (
                f"{E} [TRT] myelin/graph.h (26) - Myelin Error in Graph: 1 (myelinVersionMismatch : Compiled.\n)\n",
                "myelinVersionMismatch : Compiled",
            ),
            (
                f"{E} Error[1]: [r.cpp::e::718] Error Code 1: Myelin (Final synchronize failed (700))\n"
                "Cuda failure: an illegal memory access was encountered\n",
                "Final synchronize failed (700)",
            ),
        ],
    )
    def test_myelin(self, err: str, told: str):
        assert cause(err).startswith(f"TensorRT 8.2.1 broke off in Myelin, its compiler of fused layers ({told}): take")

    @pytest.mark.parametrize(
        ("err", "told"),
        [
            (
                f"{E} [TRT] ../builder/b.cpp (17) - Assertion Error in operator(): 0 (a->getType() == B)\n",
                "a->getType() == B",
            ),
            (
                f"{E} 2: [u.cpp::f::380] Error Code 2: Internal Error (Unknown embedded device.)\n",
                "Unknown embedded device.",
            ),
        ],
    )
    def test_an_exception_inside_tensorrt(self, err: str, told: str):
        assert cause(err + NOT_BUILT).startswith(f"TensorRT 8.2.1 broke off with an internal error ({told}): take")

    def test_a_gpu_that_fails_and_one_that_is_not_supported(self):
        err = f"{E} Error[1]: [a.cpp::f::42] Error Code 1: Cuda Runtime (unspecified launch failure)\n"
        assert cause(err).startswith(
            "a kernel failed on the GPU of the board (unspecified launch failure): time it again"
        )
        err = f"{E} Error[9]: Error Code 9: API Usage Error (Target GPU SM 53 is not supported by this release.)\n"
        assert cause(err) == "TensorRT 8.2.1 does not support the GPU of the board (Target GPU SM 53 is not supported)"


TAGS = "Note: Current Version: 205, Serialized Engine Version: 213)\n"
OTHER_VERSION = (
    f"{E} 1: Error Code 1: Serialization (Serialization assertion a == b failed.Version tag does not match. {TAGS}"
)


class TestEngines:
    @pytest.mark.parametrize(
        ("err", "told"),
        [
            (OTHER_VERSION, "not built by TensorRT 8.2.1 (serialization version 213, here 205)"),
            (
                f"{E} 6: The engine plan file is not compatible with this version of TensorRT, expecting library "
                "version 8.2.3 got 8.2.1, please rebuild.\n",
                "built by another version of TensorRT (8.2.1, here 8.2.3)",
            ),
            (
                f"{E} IRuntime::deserializeCudaEngine: Error Code 1: Serialization (assertion failed.Trying to load an "
                "engine created with incompatible serialization version. Check that …)\n",
                "not built by TensorRT 8.2.1",
            ),
            (
                f"{E} [TRT] INVALID_CONFIG: The engine plan file is generated on an incompatible device, expecting "
                "compute 6.1 got compute 7.5, please rebuild.\n",
                "built for another GPU (compute 7.5, here 6.1): it must be built on this board",
            ),
            (
                f"{E} Error Code 6: API Usage Error (The engine was built for compute capability 8.6)\n",
                "built for another GPU: it must be built on this board",
            ),
            (
                f"{E} Error Code 1: Serialization (Platform specific tag mismatch detected. TensorRT plan files are "
                "only supported on the target runtime platform they were created on.)\n",
                "built on another platform: it must be built on this board",
            ),
        ],
    )
    def test_an_engine_of_elsewhere_tells_of_where_and_is_to_be_built_anew(self, err: str, told: str):
        ended = failed(f"{err}{E} 4: [r.cpp::50] Error Code 4: Internal Error (Engine deserialization failed.)\n", LOAD)
        assert ended.cause == f"the engine was {told}"
        assert ended.failure is not None and ended.failure.of_engine

    def test_a_plugin_that_an_engine_needs_is_named(self):
        err = (
            f"{E} [TRT] INVALID_ARGUMENT: getPluginCreator could not find plugin Decode version 1\n"
            f"{E} [TRT] s.cpp (323) - Serialization Error in load: 0 (Cannot deserialize plugin since corresponding "
            "IPluginCreator not found in Plugin Registry)\n"
        )
        assert cause(err, LOAD) == "the engine needs the plugin Decode, which TensorRT 8.2.1 on the board does not have"

    def test_a_build_with_a_cache_of_another_version_is_no_matter_of_an_engine(self):
        assert cause(f"{OTHER_VERSION}{E} Unknown option: --x\n").endswith("does not know the option --x")


VARIANTS = {
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "trailing blanks": lambda text: text.replace("\n", " \t \n"),
    "leading blanks": lambda text: re.sub(r"(?m)^(?=\[|&)", "  ", text.replace("[I] ", "[I]   ")),
    "a build tag": lambda text: re.sub(r"(\[TensorRT v\d+)\]", r"\1] [b114]", text),
    "a build tag inside": lambda text: re.sub(r"(\[TensorRT v\d+)\]", r"\1-b114]", text),
    "one percentile": lambda text: re.sub(r"percentile\(90%\) = \S+ ms, percentile\(95%\) = \S+ ms, ", "", text),
    "a list of one": lambda text: text.replace("percentile(99%)", "percentile([99]%)"),
    "a list that goes on": lambda text: text.replace("percentile(99%)", "percentiles(99,)").replace("at 99%", "at 99"),
}


@pytest.mark.parametrize("version", trtexec_output.ALL)
@pytest.mark.parametrize("variant", VARIANTS)
def test_blanks_tags_line_ends_and_lists_change_nothing(version: str, variant: str):
    numbers = tuple(int(part) for part in version.split("."))
    text = VARIANTS[variant](trtexec_output.ALL[version])
    got = parse(text, "", trtexec_output.times(numbers), numbers, trtexec_output.WARMUP_MS, code=0)
    assert got.samples.latency_ms == trtexec_output.LATENCY_MS and got.summary.latency.percentiles_ms[99.0] == 1.46
    assert got.version == (None if version == "7.1.3" else numbers)


@pytest.mark.parametrize("variant", VARIANTS)
def test_causes_are_read_with_them_too(variant: str):
    for err in (report("Pad", "parseGraph", "[6] Invalid Node - Pad_7\nAttribute not found: pads"), NO_KERNEL, TACTIC):
        assert cause(VARIANTS[variant](err), VARIANTS[variant](BUILD)) == cause(err)


@pytest.mark.parametrize(
    ("gib", "mib"),
    [(None, 1024), (1.9, 256), (3.87, 512), (7.67, 1024), (15.3, 2048), (30.9, 4096), (61.4, 4096), (0.5, 256)],
)
def test_the_workspace_follows_the_boards_memory(gib: float | None, mib: int):
    assert default_workspace_mib(None if gib is None else int(gib * 2**30)) == mib
