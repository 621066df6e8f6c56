"""What a board says of itself becomes a Probe, or one sentence; and the words for it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from engine.boards.agent.probe import Probe, parse
from engine.errors import WorkError
from tests.support import python36
from tests.support.board_files import TX2, bench, tree


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script prints on a board like a TX2."""
    return bench(python36.oldest(), "probe", root=tree(tmp_path_factory.mktemp("board"), TX2))


def test_what_the_script_prints_is_a_probe(document: dict[str, Any]) -> None:
    probe = parse(document)
    assert (probe.model, probe.jetson, probe.jetpack, probe.total_rail) == ("quill", "tx2", "4.6.1", "VDD_IN")
    assert probe.tensorrt_version == (8, 2, 1) and probe.tensorrt_version >= (8, 2)
    assert probe.clocks.locked is False and probe.temperatures["GPU-therm"] == 40.0
    assert probe.board == "Jetson TX2, L4T 32.7.1"


def test_it_becomes_json_and_back_again(document: dict[str, Any]) -> None:
    probe = parse(document)
    assert parse(json.loads(json.dumps(probe.as_json()))) == probe


def test_it_cannot_be_changed(document: dict[str, Any]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse(document).l4t = "1"  # type: ignore[misc]


def test_a_machine_that_is_no_jetson_is_a_probe_too(tmp_path: Path) -> None:
    probe = parse(bench(python36.oldest(), "probe", root=tmp_path))
    assert probe.jetson is None and probe.tensorrt_version is None and probe.power_mode is None
    assert probe.board == f"Linux {probe.machine}"


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "Linux riscv64, Debian 12"),
        ("Ubuntu 22.04.4 LTS", "Linux riscv64, Ubuntu 22.04.4"),
        (None, "Linux riscv64"),
        ("", "Linux riscv64"),
    ],
)
def test_the_board_in_a_few_words(document: dict[str, Any], system: str | None, words: str) -> None:
    assert parse({**document, "jetson": None, "machine": "riscv64", "system": system}).board == words


@pytest.mark.parametrize(
    ("jetson", "l4t", "words"),
    [
        ("xavier", "35.4.1", "Jetson Xavier, L4T 35.4.1"),
        ("orin", None, "Jetson Orin"),
        ("thor", "38.2.0", "Jetson Thor, L4T 38.2.0"),
        ("ursa", "40.1", "Jetson ursa, L4T 40.1"),
    ],
)
def test_other_jetsons_in_a_few_words(document: dict[str, Any], jetson: str, l4t: str | None, words: str) -> None:
    assert parse({**document, "jetson": jetson, "l4t": l4t}).board == words


def test_what_a_newer_script_says_beside_is_left_aside(document: dict[str, Any]) -> None:
    assert parse({**document, "colour": "green"}) == parse(document)


def test_unprintable_characters_are_left_out(document: dict[str, Any]) -> None:
    probe = parse({**document, "model": "quill\x1b[31m\n", "hostname": "tx2\u202e"})
    assert (probe.model, probe.hostname) == ("quill[31m", "tx2")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cores": 0},
        {"cores": "6"},
        {"sudo": "yes"},
        {"tensorrt": "8.2.1; reboot"},
        {"tensorrt": "8"},
        {"model": 5},
        {"model": "x" * 5000},
        {"disk_free_bytes": -1},
        {"temperatures": {"GPU-therm": "hot"}},
        {"temperatures": [1, 2]},
        {"power_mw": None},
        {"clocks": {}},
        {"power_mode": {"name": "MAXN"}},
        {"time": float("nan")},
        {"providers": "CPUExecutionProvider"},
        {"hostname": "\ud800"},
    ],
)
def test_a_document_with_a_wrong_entry_is_none(document: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(WorkError, match=r"^the board's answer is no probe"):
        parse({**document, **wrong})


def test_a_document_without_a_reason_for_missing_power_gives_none(document: dict[str, Any]) -> None:
    assert parse({name: value for name, value in document.items() if name != "why_no_power"}).why_no_power is None


@pytest.mark.parametrize("field", sorted({each.name for each in dataclasses.fields(Probe)} - {"why_no_power"}))  # type: ignore[arg-type]
def test_a_document_without_an_entry_is_none(document: dict[str, Any], field: str) -> None:
    with pytest.raises(WorkError, match=rf"^the board's answer is no probe \({field}: Field required\)"):
        parse({name: value for name, value in document.items() if name != field})


@pytest.mark.parametrize("none", [None, [], {}, "probe", 5, {"held": True}, object()])
def test_what_is_no_document_is_none(none: object) -> None:
    with pytest.raises(WorkError) as caught:
        parse(none)
    assert str(caught.value).startswith("the board's answer is no probe") and "\n" not in str(caught.value)


def test_the_board_s_own_error_is_handed_on() -> None:
    with pytest.raises(WorkError, match=r"^the board could not be probed: bench\.py failed with OSError: 5$"):
        parse({"error": "bench.py failed with OSError: 5\x07"})
