"""What building an engine ran short of: the board's memory, the workspace, a kernel; or where TensorRT itself broke.

The board's memory is what is free there. The workspace is how much of it TensorRT lets one layer use for scratch, an
option; a kernel that needs more is passed over, and a layer for which none is left cannot be built. Pure.
"""

import re

from engine.boards.trtexec.complaints import Complaints, plain, quote, shorten, strip_end
from engine.spec.board_timing import MOST_WORKSPACE

_MEMORY = re.compile(
    r"(?i)out ?of ?memory|bad_alloc|NvMap\w{0,60}:? [^\n]{0,60}error 12\b|cannot allocate memory"
    r"|cudaErrorMemoryAllocation|STATUS_ALLOC_FAILED|allocator error allocating|(?:failed|unable) to allocate"
    r"|Cuda failure(?: at [^:\n]{1,300}:\d{1,9})?: 2$",
    re.MULTILINE,
)
# Said of single kernels that were tried, in builds that pass, too: a reason only where nothing was left in the end.
_PASSED_OVER = re.compile(
    r"(?i)device memory is insufficient|GPU memory \(\d+ bytes\) could not be allocated|memory allocation error"
    r"|out ?of ?memory|oom error"
)
_REQUEST = re.compile(r"Tactic Device request: (\d{1,12}) ?MB Available: (\d{1,12}) ?MB")
_NO_KERNEL = re.compile(
    r"(?i)could not find any implementation for node (.+?)(?: due to|, try | In computeCosts|\.\)|\. [A-Z]|\.?$)",
    re.MULTILINE,
)
_NO_WORKSPACE = re.compile(r"(?i)insuff?icient workspace")
_MORE_WORKSPACE = re.compile(r"(?i)increas\w+ (?:the )?workspace|insuff?icient memory on requested size")
_REQUESTED = re.compile(r"(?i)insuff?icient memory on requested size of (\d{1,18})")
_MYELIN = re.compile(r"(?i)^[^\n]*myelin[^\n]*$", re.MULTILINE)
_MYELIN_SAYS = re.compile(r"Error Code:? \d+: Myelin \((.+)$|Myelin Error in \w{1,100}: \d+ \((.+)$|Exception: (.+)$")
_TACTIC = re.compile(r"(?i)Skipping tactic \S+ due to (?:Myelin error:|exception) (.+)$", re.MULTILINE)
_INTERNAL = re.compile(
    r"Error Code:? \d+: Internal Error \((.+)$|Assertion Error in [\w:~()]{1,100}: \d+ \((.+)$"
    r"|^Internal [Ee]rror: (.+)$"
)
_LEAST_BYTES = 1 << 17  # a workspace in MiB is a smaller number, one in bytes a greater
_OTHERWISE = "take the other precision, or a newer TensorRT"


def find_memory(said: Complaints) -> str | None:
    """The board's memory, where an error says so by itself."""
    return _of_memory(said) if _MEMORY.search(said.text) else None


def find_no_kernel(said: Complaints) -> str | None:
    """No kernel is left for a layer: for want of the board's memory, of workspace, by Myelin's failure, or at all."""
    kernel = _NO_KERNEL.search(said.text)
    if kernel is None:
        return None
    layer, everything = shorten(strip_end(kernel.group(1))), f"{said.text}\n{said.remarks}"
    needed = next((_mib(size) for size in _REQUESTED.findall(said.remarks)[-1:]), None)
    short = _NO_WORKSPACE.search(kernel.string, kernel.start()) is not None
    fits = needed is not None and said.workspace_mib is not None and needed <= said.workspace_mib
    if not short and (fits or _PASSED_OVER.search(everything)):
        return _of_memory(said)
    if short or _MORE_WORKSPACE.search(everything):
        return _of_workspace(said, layer, needed)
    if tactic := _TACTIC.search(everything):
        return _of_myelin(said.version, f"{layer}: {tactic.group(1)}")
    return (
        f"TensorRT {said.version} has no kernel for {layer} on this GPU (could not find any implementation): "
        "take the other precision, or a newer TensorRT"
    )


def find_myelin(said: Complaints) -> str | None:
    """Myelin, TensorRT's compiler of fused layers, broke off."""
    lines = "\n".join(each.text for each in said.errors if each.level is not None)
    line = _MYELIN.search(lines) or _MYELIN.search(said.text)
    if line is None:
        return None
    says = _MYELIN_SAYS.search(line.group())
    text = strip_end(next(filter(None, says.groups()))) if says else plain(line.group())
    return _of_myelin(said.version, text)


def find_internal(said: Complaints) -> str | None:
    """TensorRT calls its first error an internal one."""
    internal = _INTERNAL.search(said.first_error or "")
    if internal is None:
        return None
    reason = quote(strip_end(next(filter(None, internal.groups()))))
    return f"TensorRT {said.version} broke off with an internal error ({reason}): {_OTHERWISE}"


def find_passed_over(said: Complaints) -> str | None:
    """Kernels were passed over for want of memory, and no error says more."""
    if said.first_error is None and _PASSED_OVER.search(f"{said.text}\n{said.remarks}"):
        return _of_memory(said)
    return None


def _of_memory(said: Complaints) -> str:
    requests = _REQUEST.findall(f"{said.remarks}\n{said.text}")
    figures = " (a kernel needs {} MB, and {} MB are free)".format(*requests[-1]) if requests else ""
    lower = "" if said.workspace_mib is None else "lower --workspace, "
    return f"the board ran out of memory{figures}: close what else runs there, {lower}or take a smaller network"


def _of_myelin(version: str, text: str) -> str:
    return f"TensorRT {version} broke off in Myelin, its compiler of fused layers ({quote(text)}): {_OTHERWISE}"


def _of_workspace(said: Complaints, layer: str, needed: int | None) -> str:
    now = said.workspace_mib
    refusal = f"TensorRT {said.version} found no way to run {layer} within the workspace"
    if now is None:
        return f"{refusal}: raise it with --workspace MIB"
    more = 1 << (max(2 * now, needed or 0) - 1).bit_length()
    if more > MOST_WORKSPACE:
        return f"{refusal} of {now} MiB, and no more than {MOST_WORKSPACE} MiB can be given: take a smaller network"
    return f"{refusal} of {now} MiB: raise it, such as with --workspace {more}"


def _mib(size: str) -> int:
    """Kernels ask for bytes, or where the board's memory is told beside it, for megabytes."""
    return int(size) if int(size) < _LEAST_BYTES else -(-int(size) // (1 << 20))
