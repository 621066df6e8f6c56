"""The devices that are kept: what a target may say, and a file that is whole, readable and without secrets."""

import os
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.boards.registry import Board, Registry, parse
from engine.boards.ssh.route import resolve_route
from engine.errors import RequestError, WorkError


@pytest.mark.parametrize(
    ("target", "user", "host", "port"),
    [
        ("tx2", None, "tx2", None),
        ("nvidia@tx2", "nvidia", "tx2", None),
        ("nvidia@192.168.55.1:2222", "nvidia", "192.168.55.1", 2222),
        ("lab_7.example.org:22", None, "lab_7.example.org", 22),
        ("[fe80::1%usb0]", None, "fe80::1%usb0", None),
        ("nvidia@[2001:db8::7]:2222", "nvidia", "2001:db8::7", 2222),
        ("me@corp.example@tx2", "me@corp.example", "tx2", None),
    ],
)
def test_a_target_is_read_and_written_again(target: str, user: str | None, host: str, port: int | None) -> None:
    device = parse("tx2", target)
    assert (device.user, device.host, device.port, device.jump) == (user, host, port, None)
    assert device.target == target
    assert parse("tx2", device.target) == device


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("ssh://nvidia@tx2:2222", "nvidia@tx2:2222"),
        ("SSH://tx2/", "tx2"),
        ("ssh://[fe80::1%25eth0]:22", "[fe80::1%eth0]:22"),
        ("me@fe80::1%hsn0", "me@[fe80::1%hsn0]"),
    ],
)
def test_urls_and_link_local_addresses_are_understood(written: str, target: str) -> None:
    assert parse("tx2", written) == parse("tx2", target) and parse("tx2", written).target == target


def test_the_way_to_a_link_local_address_keeps_its_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (hop,) = resolve_route(parse("tx2", "ssh://[fe80::1%25hsn0]:2222"))  # %h is a token of ssh_config
    assert (hop.host, hop.port) == ("fe80::1%hsn0", 2222)


NO_TARGETS = """
@ @host user@ host: host:0 host:65536 host:-1 host:2x host:22:22 host:+22 host:0000022 host:２２
::1 [::1 [::1]x [::1]22 [host]:22 []:22 [fe80::1%] [fe80::1%x%y] -host .host host/x höst -user@host
fe80::1 fe80::1%eth0:22
ssh:// ssh://host/x ssh://u:secret@host ssh://[fe80::1%25]:22 ssh:host sftp://host
"""


@pytest.mark.parametrize("target", [*NO_TARGETS.split(), "", "ho st", "host: 22", "host\n", "[fe80::1%a b]", "a" * 300])
def test_what_is_no_target_is_refused_with_what_is_allowed(target: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse("tx2", target)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["", "-x", "_x", "a b", "a.b", "a/b", "..", "ü", "tx2\n", "x" * 33, "tx２"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="is no device name"):
        parse(name, "host")


@pytest.mark.parametrize("jump", ["gate", "me@gate:2222", "a,b@c", "a, b", "[::1]:22"])
def test_jump_hosts_are_kept_as_they_were_given(jump: str, tmp_path: Path) -> None:
    Registry(tmp_path).add(parse("tx2", "host", jump))
    assert Registry(tmp_path).get("tx2").jump == jump


@pytest.mark.parametrize("jump", [",", "a,", "a,,b", "a b", "-x", "@a"])
def test_what_is_no_jump_host_is_refused(jump: str) -> None:
    with pytest.raises(RequestError):
        parse("tx2", "host", jump)


def test_no_jump_is_none() -> None:
    assert parse("tx2", "host", "").jump is None


@settings(deadline=None)
@given(name=st.text(), target=st.text(), jump=st.none() | st.text())
def test_any_text_is_a_device_that_reads_back_or_refused(name: str, target: str, jump: str | None) -> None:
    try:
        device = parse(name, target, jump)
    except RequestError as refused:
        assert str(refused).isprintable()
    else:
        assert parse(device.name, device.target, device.jump) == device


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": True}, {"host": "a b"}, {"user": "-x"}, {"jump": ""}, {"name": "; rm -rf ~"}]
)
def test_a_device_that_was_not_parsed_is_checked_too(wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        Board(**{"name": "tx2", "host": "host", **wrong})  # type: ignore[arg-type]


def test_devices_are_kept_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "results")
    assert registry.all() == []
    devices = [parse("z", "me@a:22"), parse("a", "[::1]", "gate"), parse("M-1", "host")]
    for device in devices:
        registry.add(device)
    assert registry.all() == devices
    assert registry.get("a") == devices[1]
    registry.remove("a")
    assert Registry(tmp_path / "results").all() == [devices[0], devices[2]]


def test_the_file_holds_tables_without_any_secret(tmp_path: Path) -> None:
    Registry(tmp_path).add(parse("tx2", "me@host:2222", "gate"))
    document = tomllib.loads((tmp_path / "devices.toml").read_text())
    assert document == {"devices": {"tx2": {"host": "host", "user": "me", "port": 2222, "jump": "gate"}}}


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.add(parse("tx2", "one"))
    with pytest.raises(RequestError, match="the name tx2 is taken"):
        registry.add(parse("tx2", "two"))
    assert registry.get("tx2").host == "one"


def test_a_device_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    with pytest.raises(RequestError, match="device add NAME"):
        registry.get("tx2")
    registry.add(parse("tx2", "host"))
    for attempt in (registry.get, registry.remove):
        with pytest.raises(RequestError, match=r"there is no device 'tx3'; there are tx2"):
            attempt("tx3")


@pytest.mark.parametrize(
    "text",
    [
        "devices = 3",
        "[devices.tx2]\n",
        "[devices.tx2]\nhost = 3\n",
        "[devices.tx2]\nhost = 'a'\nport = '22'\n",
        "[devices.tx2]\nhost = 'a'\nport = true\n",
        "[devices.tx2]\nhost = 'a'\npassword = 'secret'\n",
        "[devices.tx2]\nhost = '; rm -rf ~'\n",
        "[devices.'; rm -rf ~']\nhost = 'a'\n",
        "[device.tx2]\nhost = 'a'\n",
        "[devices.tx2\n",
        "\x00",
    ],
)
def test_a_damaged_file_is_a_sentence_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    with pytest.raises(WorkError, match=r"devices\.toml is damaged: "):
        Registry(tmp_path).all()
    with pytest.raises(WorkError):
        Registry(tmp_path).add(parse("new", "host"))
    assert path.read_text() == text


def test_a_file_of_bytes_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WorkError, match="is damaged"):
        Registry(tmp_path).all()


@pytest.mark.parametrize(
    "content",
    [
        b"a = " + b"[" * 5000,
        b"a = [\n" * 5000,
        b"a = 1" + b"0" * 1000,
        b"[devices.x]\nhost = 'a'\nport = 1" + b"0" * 1500,
        b"a = 1" + b"_0" * 100_000,
        b"\n".join([b".".join([b"a"] * 1000) + b" = 1"] * 100),
        b"[devices.x]\nhost = '\xed\xa0\x80'\n",
        b'[devices.x]\nhost = "\\ud800"\n',
        b"a = 2020-99-99",
        b"a = 1e999999",
        b"\n" * 10_000_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_hostile_file_is_a_sentence_and_soon(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "devices.toml").write_bytes(content)
    began = time.monotonic()
    with pytest.raises(WorkError, match="correct it or remove it") as refused:
        Registry(tmp_path).all()
    assert str(refused.value).isprintable() and time.monotonic() - began < 60


def _link_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, _link_loop, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_a_sentence_and_waits_for_nobody(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "devices.toml")
    with pytest.raises(WorkError, match=r"devices\.toml"):
        Registry(tmp_path).all()
    with pytest.raises(WorkError):
        Registry(tmp_path).add(parse("new", "host"))


def test_a_file_of_100_mb_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "devices.toml").open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(WorkError, match="larger than"):
        Registry(tmp_path).all()


def test_the_file_and_the_folder_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").symlink_to("elsewhere")
    registry = Registry(tmp_path / "results")
    registry.add(parse("tx2", "host"))
    (tmp_path / "elsewhere" / "devices.toml").rename(tmp_path / "dotfile")
    (tmp_path / "elsewhere" / "devices.toml").symlink_to(tmp_path / "dotfile")
    assert [board.name for board in registry.all()] == ["tx2"]


def test_jump_hosts_without_end_are_refused() -> None:
    with pytest.raises(RequestError, match="1024 characters"):
        parse("tx2", "host", ",".join(["gate"] * 1000))


def test_devices_added_at_once_are_all_kept(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=lambda number=number: Registry(tmp_path).add(parse(f"d{number}", "host")))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {device.name for device in Registry(tmp_path).all()} == {f"d{number}" for number in range(12)}
