"""The command lines of trtexec, TensorRT's own timing tool, for each version of it. Pure.

Options come, go and change their meaning with nearly every version; what is here was read in NVIDIA's published sources
of trtexec (samples/common/sampleOptions.cpp) from 7.1 to 11.1. What it prints is read in output.py.
"""

import math
from collections.abc import Sequence
from pathlib import PurePosixPath

from engine.errors import RequestError

Version = tuple[int, ...]

OLDEST: Version = (7, 1)
PRECISIONS = ("fp32", "fp16")
INPUT = "input"
WARMUP_MS, SECONDS, LEAST = 200, 3.0, 662
WORKSPACE_MIB = 1024  # on a board that does not tell its memory

_LEAST_WORKSPACE, _MOST_WORKSPACE = 256, 4096  # MiB, by default

_RUNS_A_LINE = 100  # trtexec prints a line for each so many queries, and their samples come in a file
_PERCENTILES = (90, 95, 99)


def build_command(
    version: Version,
    trtexec: str,
    onnx: str,
    engine: str,
    image: Sequence[int],
    *,
    precision: str = "fp32",
    workspace_mib: int = WORKSPACE_MIB,
    timing_cache: str | None = None,
) -> list[str]:
    """Builds `engine` from the file `onnx` for one image C×H×W at a time, and measures nothing.

    A timing cache is kept from 8.0 on, and left out before. Raises RequestError for a version or a precision that
    cannot be had.
    """
    _check(version, image, onnx, engine)
    argv = [trtexec, f"--onnx={onnx}", f"--saveEngine={engine}", _shapes(image)]
    if version < (8, 0):
        argv.append("--explicitBatch")  # later versions take it for granted with ONNX, and soon refuse the option
    argv += _precision(version, precision)
    argv.append(f"--memPoolSize=workspace:{workspace_mib}" if version >= (8, 4) else f"--workspace={workspace_mib}")
    if timing_cache is not None and version >= (8, 0):
        argv.append(f"--timingCacheFile={timing_cache}")
    argv.append("--skipInference" if version >= (8, 6) else "--buildOnly")
    return argv


def measure_command(
    version: Version,
    trtexec: str,
    engine: str,
    image: Sequence[int],
    *,
    times: str,
    warmup_ms: float = WARMUP_MS,
    seconds: float = SECONDS,
    least: int = LEAST,
) -> list[str]:
    """Times `engine` for at least `seconds` and at least `least` queries after the warm-up.

    The samples come in the file `times` where `exports_times(version)`, and as lines of the output before. Transfers to
    and from the GPU are part of the latency in every version. Raises RequestError for a version that is too old.
    """
    _check(version, image, engine, times)
    if not seconds > 0 or warmup_ms < 0 or least < 1:
        raise RequestError(f"seconds {seconds:g}, warm-up {warmup_ms:g} ms or {least} queries at least: too little")
    argv = [trtexec, f"--loadEngine={engine}", _shapes(image), f"--warmUp={math.ceil(warmup_ms)}"]
    argv += [f"--duration={_duration(version, seconds)}", f"--iterations={least}"]
    if exports_times(version):
        argv += [f"--exportTimes={times}", f"--avgRuns={_RUNS_A_LINE}"]
    else:
        argv.append("--avgRuns=1")
    argv.append(f"--percentile={','.join(map(str, _PERCENTILES)) if version >= (8, 5) else _PERCENTILES[-1]}")
    if version >= (11,):
        # Left out by default here, while CUDA graphs are in: without both options nothing would compare to the others.
        return [*argv, "--includeDataTransfers", "--noCudaGraph"]
    return [*argv, "--useSpinWait"]  # from 11 on it always does


def default_workspace_mib(memory_bytes: int | None) -> int:
    """An eighth of the board's memory as it is sold, in MiB: 1024 on a TX2, 512 on a Nano of 4 GB."""
    if memory_bytes is None:
        return WORKSPACE_MIB
    gib = 1 << (-(-memory_bytes // (1 << 30)) - 1).bit_length()  # the kernel keeps some of it for itself
    return min(max(gib * 1024 // 8, _LEAST_WORKSPACE), _MOST_WORKSPACE)


def profile_command(
    version: Version,
    trtexec: str,
    engine: str,
    image: Sequence[int],
    *,
    profile: str,
    warmup_ms: float = WARMUP_MS,
    seconds: float = SECONDS,
    least: int = LEAST,
) -> list[str]:
    """Runs `engine` for as long, with a profiler that writes what each of its layers took to the file `profile`.

    It waits for the GPU after every layer, so that nothing else that this run measures is of use. Raises RequestError
    for a version that is too old.
    """
    _check(version, image, engine, profile)
    argv = [trtexec, f"--loadEngine={engine}", _shapes(image), f"--warmUp={math.ceil(warmup_ms)}"]
    argv += [f"--duration={_duration(version, seconds)}", f"--iterations={least}"]
    argv += ["--dumpProfile", f"--exportProfile={profile}"]  # up to 8.0 the second alone starts no profiler
    return [*argv, "--noCudaGraph"] if version >= (11,) else argv  # in a graph there are no layers to be timed


def exports_times(version: Version) -> bool:
    """Whether to have the samples written to a file: 7.1 does so only with its profiler on, which slows every layer."""
    return version >= (7, 2)


def _check(version: Version, image: Sequence[int], *paths: str) -> None:
    if version < OLDEST:
        text, oldest = (".".join(map(str, each)) for each in (version, OLDEST))
        raise RequestError(f"TensorRT {text} is too old to be timed with trtexec: {oldest} or later is needed")
    if len(image) != 3 or min(image) < 1:
        raise RequestError(f"an image has a shape C×H×W of positive numbers, not {tuple(image)}")
    for path in paths:
        if not PurePosixPath(path).is_absolute():  # nothing that trtexec could take for an option or look up elsewhere
            raise RequestError(f"trtexec is given absolute paths only, not {path!r}")


def _shapes(image: Sequence[int]) -> str:
    """With a free batch dimension this makes one optimisation profile, whose smallest, best and largest batch is 1."""
    return f"--shapes={INPUT}:1x{'x'.join(str(int(size)) for size in image)}"


def _precision(version: Version, precision: str) -> list[str]:
    if precision not in PRECISIONS:
        raise RequestError(f"unknown precision {precision!r}; allowed: {', '.join(PRECISIONS)}")
    if precision == "fp16" and version >= (11,):
        raise RequestError(
            f"TensorRT {'.'.join(map(str, version))} takes the precision from the model and has no --fp16: time in fp32"
        )
    return ["--fp16"] if precision == "fp16" else []


def _duration(version: Version, seconds: float) -> str:
    """Before 8.4 it is a whole number, and a fraction would be cut off."""
    return f"{seconds:g}" if version >= (8, 4) else str(math.ceil(seconds))
