"""The page of the devices, with fake boards; tests/browser has a real one."""

import threading
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import text
from app.devices import cards, probes
from app.tables import store
from engine.boards.agent import session
from engine.boards.registry import Board, parse
from engine.boards.ssh import errors as ssh_errors
from engine.boards.ssh import trust
from engine.spec.board_timing import PointId, TimingRequest
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, captions, errors, labels

NEW, OLD = "SHA256:" + "n" * 43, "SHA256:" + "o" * 43


class Boards:
    """What the boards answer: a probe, or an error that asking raises; and whose keys were trusted."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.state: Any = "new"
        self.accepted: list[str] = []
        self.refusal: Exception | None = None
        self.jump = False

    def probe(self, device: Board, root: Path, password: str | None = None) -> Any:
        self.asked.append(device.name)
        answer = self.answers[device.name]
        if isinstance(answer, Exception) and not (device.name in self.accepted and _is_stranger(answer)):
            raise answer
        return runs.probe() if isinstance(answer, Exception) else answer

    def host_key(self, device: Board, root: Path, timeout: float = 10.0) -> trust.HostKey:
        known_key = OLD if self.state == "changed" else None
        return trust.HostKey(device.name, device.host, 22, "ssh-ed25519", NEW, self.state, known_key, "AAAA", self.jump)

    def accept(self, root: Path, host_key: trust.HostKey) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.accepted.append(host_key.board)


def _is_stranger(error: Exception) -> bool:
    return isinstance(error, ssh_errors.Untrusted | ssh_errors.KeyChanged)


def untrusted() -> Exception:
    return ssh_errors.Untrusted("a stranger", board="tx2", host="h", port=22, key_type="ssh-ed25519", fingerprint=NEW)


def changed() -> Exception:
    return ssh_errors.KeyChanged("another key", board="tx2", host="h", port=22, fingerprint=NEW, known=OLD)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Boards:
    fakes = Boards()
    monkeypatch.setattr(session, "probe", fakes.probe)
    monkeypatch.setattr(trust, "fetch_host_key", fakes.host_key)
    monkeypatch.setattr(trust, "accept", fakes.accept)
    return fakes


@pytest.fixture
def tx2(results: Store, fakes: Boards) -> Board:
    """A device of the list that was never asked."""
    results.prepare()
    device = parse("tx2", "nvidia@192.168.55.1:2222")
    store.registry().add(device)
    return device


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception, at.exception
    return at


def codes(at: AppTest) -> list[str]:
    return [code.value for code in at.code]


def test_without_devices_the_page_says_what_it_will_show_and_has_one_button(results: Store) -> None:
    at = app("devices")
    assert labels(at) == ["Add a device"]
    assert not at.multiselect


def test_a_device_is_asked_for_its_key_when_it_is_added_and_trusted_only_on_consent(
    results: Store, fakes: Boards
) -> None:
    fakes.answers["tx2"] = untrusted()
    at = press(app("devices"), "Add a device")
    next(field for field in at.text_input if field.label == "Name").set_value("tx2")
    next(field for field in at.text_input if field.label == "Address").set_value("nvidia@192.168.55.1")
    press(at, "Add")
    assert [device.target for device in store.boards()] == ["nvidia@192.168.55.1"]
    assert NEW in codes(at) and "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in codes(at)
    assert fakes.asked == ["tx2"] and not fakes.accepted
    press(at, "They are the same, trust it")
    assert fakes.accepted == ["tx2"] and fakes.asked == ["tx2", "tx2"]
    assert any("reachable" in markdown.value for markdown in at.markdown)


@pytest.mark.parametrize(
    ("name", "target", "word"),
    [("; rm -rf ~", "h", "device name"), ("tx2", "a b@h", "user name"), ("", "h", "device name"), ("tx2", "", "host")],
)
def test_a_device_that_is_none_is_refused_where_it_was_typed(
    results: Store, fakes: Boards, name: str, target: str, word: str
) -> None:
    at = press(app("devices"), "Add a device")
    next(field for field in at.text_input if field.label == "Name").set_value(name)
    next(field for field in at.text_input if field.label == "Address").set_value(target)
    press(at, "Add")
    assert len(errors(at)) == 1 and word in errors(at)[0]
    assert store.boards() == [] and not fakes.asked


def test_loading_the_page_connects_to_nothing(tx2: Board, fakes: Boards) -> None:
    at = app("devices")
    assert not fakes.asked and "Check asks it" in captions(at)


def test_checking_shows_what_the_board_says_and_keeps_it_for_other_windows(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"] = runs.probe(problems=["a rail cannot be read"], why_no_power="its rail CV is off")
    at = press(app("devices"), "Check")
    for page in (at, app("devices")):
        page_text = "\n".join(table.value.astype(str).to_string() for table in page.table)
        for part in ("Jetson TX2 (quill)", "JetPack 4.6.1, L4T 32.7.1", "TensorRT 8.2.1", "MAXN (0), clocks locked",
                     "43 °C (MCPU-therm)", "9.80 GB"):  # fmt: skip
            assert part in page_text
        assert "A rail cannot be read" in captions(page)
        assert "Timings come without power: its rail CV is off." in captions(page)
    assert fakes.asked == ["tx2"]


def test_an_answer_is_not_taken_for_that_of_another_device_of_the_name(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"] = runs.probe()
    press(app("devices"), "Check")
    assert probes.last_result(tx2) is not None
    assert probes.last_result(parse("tx2", "nvidia@192.168.55.2")) is None


def test_several_devices_are_asked_at_once(tx2: Board, fakes: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    store.registry().add(parse("nano", "10.0.0.9"))
    barrier = threading.Barrier(2, timeout=60)

    def probe(device: Board, root: Path, password: str | None = None) -> Any:
        barrier.wait()
        return runs.probe()

    monkeypatch.setattr(session, "probe", probe)
    at = press(app("devices"), "Check all")
    assert len(at.table) == 2


def test_a_changed_key_is_explained_with_both_fingerprints_and_replaced_only_on_consent(
    tx2: Board, fakes: Boards
) -> None:
    fakes.answers["tx2"], fakes.state = changed(), "changed"
    at = press(app("devices"), "Check")
    assert OLD in codes(at) and NEW in codes(at) and "somebody stands between" in errors(at)[0]
    assert not fakes.accepted
    press(at, "It is the new key, trust it")
    assert fakes.accepted == ["tx2"]


def test_a_key_in_the_users_own_file_is_not_replaced_and_the_card_says_how_to(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"], fakes.state = changed(), "changed"
    fakes.refusal = ssh_errors.KeyChanged(
        "tx2 has changed; run: ssh-keygen -R '[h]:22'", board="tx2", host="h", port=22, fingerprint=NEW, known=OLD
    )
    at = press(app("devices"), "Check")
    press(at, "It is the new key, trust it")
    assert len(errors(at)) == 1 and errors(at)[0].startswith("tx2 has changed; run: ssh-keygen -R")


def test_the_key_of_a_jump_host_is_said_to_be_one(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"], fakes.jump = untrusted(), True
    at = press(app("devices"), "Check")
    assert "The jump host 192.168.55.1 shows this key" in captions(at)


def test_a_board_that_takes_only_passwords_is_to_be_given_a_key(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"] = ssh_errors.LoginRefused(
        "it takes none of the keys", attempts=("id_rsa",), allowed_methods=("password",)
    )
    at = press(app("devices"), "Check")
    assert errors(at) == ["It takes none of the keys."]
    assert "ssh-copy-id -p 2222 nvidia@192.168.55.1" in codes(at) and "no password is ever kept" in captions(at)


def test_the_key_goes_the_way_that_the_device_is_reached() -> None:
    assert cards.copy_id(parse("a", "board")) == "ssh-copy-id board"
    assert cards.copy_id(parse("a", "u@board", "me@gate:9")) == "ssh-copy-id -o ProxyJump=me@gate:9 u@board"


def test_an_unreachable_board_is_told_in_one_sentence(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"] = ssh_errors.Unreachable("nobody answers at 192.168.55.1:2222; see that it is on")
    at = press(app("devices"), "Check")
    assert errors(at) == ["Nobody answers at 192.168.55.1:2222; see that it is on."]


def test_what_a_board_says_makes_no_links_and_pictures(tx2: Board, fakes: Boards) -> None:
    fakes.answers["tx2"] = runs.probe(model="![x](http://10.0.0.1/x.png) *y*", jetson=None)
    at = press(app("devices"), "Check")
    assert at.table[0].value.astype(str).to_string().count(r"!\[x\](http\://10.0.0.1/x.png) \*y\*") == 1
    assert text.sentence("![x](http://10.0.0.1)") == r"!\[x\](http\://10.0.0.1)."


def test_a_device_is_removed_only_when_that_was_meant(tx2: Board, fakes: Boards) -> None:
    at = press(app("devices"), "Remove")
    assert store.boards() == [tx2]
    assert at.button(key="confirmed").label == ":red[Remove]", "danger has another colour than what one is led to"
    at.button(key="confirmed").click().run()
    assert not at.exception and store.boards() == []


def test_a_device_that_is_timed_stays(tx2: Board, results: Store, fakes: Boards) -> None:
    point = PointId(run="20260101-000000-00000000", point=0)
    results.create_timing(TimingRequest(device="tx2", points=(point,)))
    at = press(app("devices"), "Remove")
    assert "cannot be removed while a timing on it has not ended" in at.warning[0].value
    assert store.boards() == [tx2] and "confirmed" not in [button.key for button in at.button]


def test_a_damaged_list_of_devices_is_told_in_one_sentence(results: Store) -> None:
    results.prepare()
    (results.root / "devices.toml").write_text("[")
    assert "devices.toml is damaged" in errors(app("devices"))[0]
