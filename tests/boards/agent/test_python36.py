"""What runs on the board is Python 3.6: its syntax, its modules, its functions. And the check has teeth."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import python36
from tests.support.places import AGENT_SCRIPT

OF_THE_BOARD = {"numpy", "onnxruntime"}  # for the commands that import them where they are used


def words(text: str) -> set[str]:
    return set(text.split())


MODULES_SINCE = words(
    "dataclasses contextvars graphlib zoneinfo tomllib annotationlib compression importlib.resources "
    "importlib.metadata concurrent.interpreters multiprocessing.shared_memory"
)
NAMES_SINCE = words(
    "time.time_ns time.monotonic_ns time.perf_counter_ns time.process_time_ns time.thread_time time.thread_time_ns "
    "time.clock_gettime_ns math.prod math.dist math.comb math.perm math.isqrt math.remainder math.lcm math.nextafter "
    "math.ulp math.cbrt math.exp2 math.sumprod math.fma shlex.join os.posix_spawn os.posix_spawnp os.memfd_create "
    "os.pidfd_open os.register_at_fork os.waitstatus_to_exitcode os.preadv os.pwritev os.copy_file_range os.splice "
    "os.eventfd os.unshare os.setns os.process_cpu_count os.CLD_KILLED os.CLD_STOPPED os.P_PIDFD "
    "signal.pidfd_send_signal signal.strsignal signal.raise_signal signal.valid_signals threading.excepthook "
    "threading.get_native_id functools.cache functools.cached_property functools.singledispatchmethod "
    "contextlib.nullcontext contextlib.chdir contextlib.aclosing contextlib.AsyncExitStack itertools.pairwise "
    "itertools.batched asyncio.run asyncio.create_task asyncio.to_thread asyncio.get_running_loop statistics.fmean "
    "statistics.quantiles statistics.geometric_mean statistics.NormalDist random.randbytes "
    "argparse.BooleanOptionalAction sys.orig_argv sys.stdlib_module_names sys.unraisablehook sys.breakpointhook "
    "typing.Final typing.Literal typing.TypedDict typing.Protocol typing.Annotated typing.get_args typing.get_origin "
    "typing.runtime_checkable typing.final typing.ParamSpec typing.Self typing.OrderedDict typing.assert_never "
    "typing.TypeAlias typing.TypeGuard typing.SupportsIndex types.NoneType types.UnionType types.GenericAlias "
    "operator.call ast.unparse socket.create_server queue.SimpleQueue hashlib.file_digest enum.StrEnum "
    "inspect.get_annotations platform.freedesktop_os_release"
)
METHODS_SINCE = words(
    "removeprefix removesuffix isascii bit_count is_relative_to with_stem hardlink_to fromisoformat fromisocalendar "
    "reconfigure add_note from_uri full_match"
)
# Of whatever function: these keywords mean one thing only.
KEYWORDS_SINCE = words(
    "capture_output text missing_ok dirs_exist_ok exit_on_error process_group pipesize umask extra_groups user group "
    "usedforsecurity root_dir ignore_cleanup_errors follow_junctions delete_on_close suggest_on_error"
)
BUILTINS_SINCE = {"breakpoint", "aiter", "anext", "ExceptionGroup", "BaseExceptionGroup", "EncodingWarning"}
FEATURES_SINCE = {
    ("zip", "strict"),
    ("sum", "start"),
    ("add_subparsers", "required"),
    ("pow", "mod"),
    ("map", "strict"),
}


def newer(source: str) -> list[str]:
    """What of this source Python 3.6 does not have, and what is no part of its standard library."""
    try:
        tree = ast.parse(source, feature_version=(3, 6))
    except SyntaxError as error:
        return [f"line {error.lineno}: syntax: {error.msg}"]
    return [f"line {getattr(node, 'lineno', 0)}: {what}" for node in ast.walk(tree) for what in _newer(node)]


def _newer(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names if _is_newer_module(each.name))
        case ast.ImportFrom(module=module, names=names, level=level):
            assert module is not None or level
            if level or _is_newer_module(str(module)):
                yield f"from {'.' * level}{module or ''}"
            dotted = {f"{module}.{each.name}" for each in names}
            yield from dotted & (MODULES_SINCE | NAMES_SINCE | {"__future__.annotations"})
        case ast.Attribute(value=ast.Name(id=base), attr=name) if f"{base}.{name}" in NAMES_SINCE:
            yield f"{base}.{name}"
        case ast.Attribute(attr=name) if name in METHODS_SINCE:
            yield f".{name}"
        case ast.Name(id=name) if name in BUILTINS_SINCE:
            yield name
        case ast.Call(func=function, keywords=keywords):
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield from (f"{key.arg}=" for key in keywords if key.arg in KEYWORDS_SINCE)
            yield from (f"{called}({key.arg}=)" for key in keywords if (called, key.arg) in FEATURES_SINCE)
        case ast.NamedExpr() | ast.Match() | ast.TryStar():
            yield type(node).__name__
        case ast.arguments(posonlyargs=[_, *_]):
            yield "positional-only parameters"
        case ast.Subscript(value=ast.Name(id="list" | "dict" | "tuple" | "set" | "type")):
            yield "a built-in class with []"


def _is_newer_module(name: str) -> bool:
    top = name.partition(".")[0]
    known = top in sys.stdlib_module_names or top in OF_THE_BOARD
    return not known or name in MODULES_SINCE or top in MODULES_SINCE


def test_the_script_for_the_board_uses_nothing_newer_than_python_36() -> None:
    assert newer(AGENT_SCRIPT.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "if (n := 1): pass",
        "def f(a, /): pass",
        "f'{n=}'",
        "match n:\n    case 1: pass",
        "from __future__ import annotations",
        "import dataclasses",
        "from dataclasses import dataclass",
        "import importlib.metadata",
        "from importlib import resources",
        "import tomllib",
        "import psutil",
        "from engine import files",
        "from . import files",
        "import subprocess\nsubprocess.run(['a'], capture_output=True)",
        "import subprocess\nsubprocess.Popen(['a'], text=True)",
        "import time\ntime.time_ns()",
        "import math\nmath.prod([1])",
        "import shlex\nshlex.join(['a'])",
        "import os\nos.posix_spawn('a', ['a'], {})",
        "from functools import cache",
        "from typing import Literal",
        "path.unlink(missing_ok=True)",
        "'a'.removeprefix('a')",
        "breakpoint()",
        "list(zip([1], [2], strict=True))",
        "parser.add_subparsers(required=True)",
        "def f(a: list[int]) -> None: pass",
        "with (open('a') as a, open('b') as b): pass",
        "try:\n    pass\nexcept* OSError:\n    pass",
    ],
)
def test_the_check_finds_what_is_newer(source: str) -> None:
    assert newer(source) != []


def test_python_36_compiles_the_script(tmp_path: Path) -> None:
    compiled = tmp_path / "bench.pyc"
    program = "import py_compile, sys; py_compile.compile(sys.argv[1], cfile=sys.argv[2], doraise=True)"
    done = subprocess.run(
        [python36.needed(), "-c", program, AGENT_SCRIPT, compiled], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert compiled.exists()


def test_python_36_has_every_name_of_a_module_that_the_script_uses() -> None:
    tree = ast.parse(AGENT_SCRIPT.read_text(encoding="utf-8"))
    modules = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }
    imported = {
        f"{node.module}.{each.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }
    names = sorted(used | imported)
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    module, _, attribute = name.rpartition('.')\n"
        "    if not hasattr(importlib.import_module(module), attribute): print(name)\n"
    )
    done = subprocess.run([python36.needed(), "-c", program, *names], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
    assert len(names) > 40
