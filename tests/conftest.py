"""Fixtures for every room, and the rule that a check run may not skip a test for want of a tool."""

import gc
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from _pytest.fixtures import FuncFixtureInfo
from _pytest.nodeid import coerce_node_id

from tests.support.places import ROOT, WHOLE_ZOO

# One thread a process: the tests run side by side, and threads of several processes would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # where a test loads ONNX Runtime before anything of ours
# Neither what this user has decided is read nor changed.
_SETTINGS = tempfile.TemporaryDirectory(prefix="espalier-settings-")  # goes with this process
os.environ["ESPALIER_CONFIG"] = _SETTINGS.name

# A shell has what it starts in the background ignore Ctrl-C, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Other tests, and other people's programs, take the processor in between: a slow example is no failure.
hypothesis.settings.register_profile("side by side", deadline=None, max_examples=100 if WHOLE_ZOO else 50)
hypothesis.settings.load_profile("side by side")

TESTS = ROOT / "tests"
# Rooms and files that take a process of the tests longest, so that no other waits for them in the end.
LONGEST = ("browser/", "jobs/executors/ray/test_cluster.py", "jobs/test_kill_real.py", "pipeline/")
_MADE_AT_ONCE = ("hardly_timed", "five_blocks", "python", "oldest")  # fixtures that cost nothing to make again
SHARED = ROOT.parent / "shared"
NO_MOUNT = "a small disk cannot be mounted here: "  # a container may not, root or not
NO_USER = "nobody else can be acted for here: "  # nor become another user
NO_ARM64 = "no Python for arm64 can be emulated here: "
_ABSENT = "real images and weights are not part of the project; absent here: "


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]):  # type: ignore[no-untyped-def]
    """Tests that share what is made once go to one process, and what takes longest begins first.

    xdist 3.8 writes the groups where pytest 9.2 does not read them any more.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None and (group := _group(item)):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)
    yield
    for item in items:
        if "@" in (grouped := vars(item).get("_nodeid", "")) and hasattr(item, "_id"):
            item._id = coerce_node_id(grouped)


def _group(item: pytest.Item) -> str | None:
    """Whom a test shares a fixture with that each process would make for itself: its room, its file, or nobody."""
    info: FuncFixtureInfo | None = getattr(item, "_fixtureinfo", None)
    defined = [each for many in info.name2fixturedefs.values() for each in many] if info else []
    ours = [each for each in defined if each.baseid.startswith("tests") and each.argname not in _MADE_AT_ONCE]
    scopes = {each.scope for each in ours}
    place = item.path.relative_to(TESTS)
    return str(place.parent if scopes & {"package", "session"} else place) if scopes - {"class", "function"} else None


def _turn(item: pytest.Item) -> int:
    """Where a test stands in the order: by the first of the longest rooms and files that it is in."""
    place = str(item.path.relative_to(TESTS))
    return next((number for number, long in enumerate(LONGEST) if place.startswith(long)), len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_collection():  # type: ignore[no-untyped-def]
    """Keeps the half a million objects of imports and tests, which stay to the end, out of every search for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """The path of a file of real images or weights that lies beside the project, where there is one."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(_ABSENT + name)
        return path

    return find


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """With ESPALIER_FORBID_SKIPS a skip is a failure, but for data that is not shipped, mounts, users, QEMU."""
    report = (yield).get_result()
    if (
        os.environ.get("ESPALIER_FORBID_SKIPS")
        and report.skipped
        and not any(allowed in str(report.longrepr) for allowed in (_ABSENT, NO_MOUNT, NO_USER, NO_ARM64))
    ):
        report.outcome = "failed"
        report.longrepr = f"skipping is forbidden here: {report.longrepr}"
