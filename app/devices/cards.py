"""The boards as cards: what each is, its state at its last probe, its host key, and what can be done."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import escape, format, text, theme
from app.components import actions
from app.devices import probes
from app.devices.probes import ProbeResult
from app.tables import store
from engine.boards.registry import Board, parse
from engine.errors import RequestError, WorkError

if TYPE_CHECKING:
    from engine.boards.agent.probe import Probe

_LOOK: dict[probes.State, tuple[str, str, theme.BadgeColour]] = {
    "reachable": ("reachable", ":material/check:", "green"),
    "untrusted": ("key not trusted yet", ":material/key:", "orange"),
    "changed": ("key has changed", ":material/gpp_maybe:", "red"),
    "refused": ("login refused", ":material/lock:", "orange"),
    "unreachable": ("unreachable", ":material/link_off:", "red"),
    "failed": ("gave no answer", ":material/error:", "red"),
}
# Session state: the boards to probe when they are drawn, whether one is being added, and why that was refused.
_TO_PROBE, _ADDING, _REFUSED = "devices_to_ask", "device_adding", "device_refused"


def load_boards() -> tuple[list[Board], str | None]:
    """The boards, and what is wrong with their file, if anything is."""
    try:
        return store.boards(), None
    except (RequestError, WorkError) as error:
        return [], text.sentence(str(error))


def head(boards: Sequence[Board]) -> None:
    """The title, and the buttons that concern all boards."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Devices", width="content")
        st.space("stretch")
        if len(boards) > 1:
            st.button("Check all", icon=":material/sync:", on_click=_request_probe, args=([d.name for d in boards],))
        if boards:
            st.button("Add a device", icon=":material/add:", on_click=begin_adding)
    if _ADDING in st.session_state:
        _add_dialog()


def draw(boards: Sequence[Board]) -> None:
    """One card a board; those that a button requested are probed first."""
    names = st.session_state.pop(_TO_PROBE, ())
    selected = [board for board in boards if board.name in names]
    if selected:
        with st.spinner(f"Asking {', '.join(board.name for board in selected)}…"):
            probes.probe_boards(selected)
    with st.grid(min(3, len(boards)), gap="small", min_column_width=330):
        for board in boards:
            with st.container(border=True, gap="xsmall", height="stretch"):
                _card(board, probes.last_result(board), wide=len(boards) == 1)


def begin_adding() -> None:
    """Opens the dialog that adds a board; it stays until one was added, or it was closed."""
    st.session_state[_ADDING] = True


def _stop_adding() -> None:
    st.session_state.pop(_ADDING, None)
    st.session_state.pop(_REFUSED, None)


@st.dialog("Add a device", icon=":material/developer_board:", on_dismiss=_stop_adding)
def _add_dialog() -> None:
    """A form for a name and an address. It takes nothing secret, and nothing is connected to before it is added."""
    if _ADDING not in st.session_state:
        st.rerun()
    with st.form("add-device", border=False):
        st.text_input("Name", placeholder="tx2", max_chars=32, key="device_name")
        st.text_input(
            "Address",
            placeholder="nvidia@192.168.55.1",
            key="device_target",
            help="user@host:port or ssh://user@host:port. The host alone will do, an alias of ~/.ssh/config, too.",
        )
        st.text_input("Through", placeholder="nobody", key="device_jump", help="user@host:port of a jump host, if any.")
        st.form_submit_button("Add", type="primary", icon=":material/add:", on_click=_save)
    if _REFUSED in st.session_state:
        st.error(st.session_state[_REFUSED], icon=":material/error:")
    st.caption(
        "Its host key is shown next, for you to compare. Logins use your SSH keys or agent; no password is kept."
    )


def _save() -> None:
    """Adds the board in the form, or keeps why that is none."""
    name, target, jump = (st.session_state[f"device_{key}"].strip() for key in ("name", "target", "jump"))
    try:
        board = parse(name, target, jump or None)
        store.open_store().prepare()
        store.registry().add(board)
    except (RequestError, WorkError) as error:
        st.session_state[_REFUSED] = text.sentence(str(error))
        return
    _stop_adding()
    _request_probe([name])


def _request_probe(names: list[str]) -> None:
    """Has these boards probed when their cards are drawn."""
    st.session_state[_TO_PROBE] = tuple(names)


def _card(board: Board, result: ProbeResult | None, *, wide: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f"**{escape.markdown(board.name)}**", width="stretch")
        if result is None:
            st.badge("not asked yet", icon=":material/help:", color="gray")
        else:
            label, icon, colour = _LOOK[result.state]
            st.badge(label, icon=icon, color=colour)
    via = f", through `{board.jump}`" if board.jump else ""
    probe_time = "" if result is None else f" · asked {format.clock(result.at)}"
    st.caption(f"`{board.target}`{via}{probe_time}")
    if result is None:
        st.caption("Check asks it what it is and how it stands.")
    elif result.probe is not None:
        _show_probe(result, columns=2 if wide else 1)
    elif result.host_key is not None:
        _show_host_key(result)
    elif result.sentence:
        st.error(text.sentence(result.sentence, board.name))
        if result.state == "refused":
            _give_key(board, password=result.password)
    st.space("stretch")
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Check", icon=":material/sync:", key=f"check-{board.name}", on_click=_request_probe, args=([board.name],)
        )
        if st.button("Remove", icon=":material/delete:", key=f"remove-{board.name}", type="tertiary"):
            _confirm_removal(board.name)


def _show_probe(result: ProbeResult, columns: int) -> None:
    """What a board's probe says, in one or two columns."""
    assert result.probe is not None
    probe = result.probe
    locked = {True: ", clocks locked", False: ", clocks not locked", None: ""}[probe.clocks.locked]
    mode = format.MISSING if probe.power_mode is None else f"{probe.power_mode.name} ({probe.power_mode.id})"
    warm = {name: value for name, value in probe.temperatures.items() if value is not None and "PMIC" not in name}
    hottest = max(warm, key=warm.__getitem__, default=None)
    rows = {
        "Board": _board_label(probe),
        "Software": _software(probe.jetpack, probe.l4t) or probe.system,
        "Times with": _timing_tool(result),
        "Power mode": mode + locked,
        "Warmest": None if hottest is None else f"{warm[hottest]:.0f} °C ({hottest})",
        "Free disk": None if probe.disk_free_bytes is None else format.si(probe.disk_free_bytes, "B"),
    }
    values = {key: escape.markdown(value or format.MISSING) for key, value in rows.items()}
    keys, each = list(values), len(values) // columns
    with st.grid(columns, gap="small", min_column_width=300):
        for part in (keys[start : start + each] for start in range(0, len(keys), each)):
            st.table({key: values[key] for key in part}, border="horizontal", alt=f"What {result.board.name} is")
    for problem in probe.problems:
        st.caption(f":material/warning: {text.sentence(problem)}")
    if probe.why_no_power:
        st.caption(f":material/power_off: {text.sentence(f'timings come without power: {probe.why_no_power}')}")


def _board_label(probe: "Probe") -> str:
    """`Jetson TX2 (quill)`; of other computers their own name."""
    if probe.jetson is None:
        return probe.model or probe.board
    name = probe.board.partition(",")[0]
    return f"{name} ({probe.model})" if probe.model else name


def _software(jetpack: str | None, l4t: str | None) -> str:
    parts = [f"JetPack {jetpack}" if jetpack else "", f"L4T {l4t}" if l4t else ""]
    return ", ".join(filter(None, parts))


def _timing_tool(result: ProbeResult) -> str:
    assert result.probe is not None
    probe = result.probe
    if probe.tensorrt and probe.trtexec:
        return f"TensorRT {probe.tensorrt}"
    if probe.onnxruntime:
        return f"ONNX Runtime {probe.onnxruntime}" + (
            f" (TensorRT {probe.tensorrt} lacks trtexec)" if probe.tensorrt else ""
        )
    return "nothing: neither trtexec nor onnxruntime"


def _show_host_key(result: ProbeResult) -> None:
    """The host key that a board shows, what to compare it with, and the button that trusts it."""
    host_key = result.host_key
    assert host_key is not None
    owner = f"The jump host {escape.markdown(host_key.host)}" if host_key.jump else "It"
    if host_key.state == "changed":
        st.error(
            "Either the board was set up anew, or somebody stands between you and it. Nothing was sent to it.",
            title=f"{'The jump host' if host_key.jump else 'This device'} shows another key than before",
            icon=":material/gpp_maybe:",
        )
        st.caption("Trusted until now")
        st.code(host_key.known, language=None, wrap_lines=True)
        st.caption("Shown now")
    else:
        st.caption(
            f"{owner} shows this key ({escape.markdown(host_key.key_type)}). "
            "Nobody has trusted it yet, so nothing was sent to it."
        )
    st.code(host_key.fingerprint, language=None, wrap_lines=True)
    st.caption("Compare it with what this prints on a screen of the board itself:")
    st.code(f"ssh-keygen -lf /etc/ssh/{_key_file(host_key.key_type)}", language=None, wrap_lines=True)
    st.button(
        "It is the new key, trust it" if host_key.state == "changed" else "They are the same, trust it",
        icon=":material/verified_user:",
        type="secondary" if host_key.state == "changed" else "primary",
        key=f"trust-{result.board.name}",
        on_click=_trust,
        args=(result,),
    )


def _key_file(key_type: str) -> str:
    kind = next((kind for kind in ("ed25519", "ecdsa", "rsa") if kind in key_type), "ed25519")
    return f"ssh_host_{kind}_key.pub"


def _trust(result: ProbeResult) -> None:
    if probes.trust(result):
        _request_probe([result.board.name])


def _give_key(board: Board, *, password: bool) -> None:
    """How to let a board take a key: timings run in the background, where nobody can type a password."""
    why = "It takes a password, but timings" if password else "Timings"
    st.caption(
        f"{why} run in the background, where nobody can type one, and no password is ever kept here. "
        "Give it your key once, in a terminal of this computer:"
    )
    st.code(copy_id(board), language=None, wrap_lines=True)


def copy_id(board: Board) -> str:
    """The command that puts the user's key on a board."""
    place = f"{board.user}@{board.host}" if board.user else board.host
    port = ["-p", str(board.port)] if board.port else []
    jump = ["-o", f"ProxyJump={board.jump}"] if board.jump else []
    return shlex.join(["ssh-copy-id", *port, *jump, place])


@st.dialog("Remove this device?", icon=":material/delete:")
def _confirm_removal(name: str) -> None:
    try:
        store.queue().refuse_while_timed(name)
    except RequestError as error:
        st.warning(text.sentence(str(error), name), icon=":material/timer:")
        return
    st.markdown(
        f"**{escape.markdown(name)}** is taken from the list. What was measured on it stays, as does its trusted key."
    )
    actions.confirm("Remove", _remove, name)


def _remove(name: str) -> None:
    if actions.run_action(lambda: store.registry().remove(name), f"{escape.markdown(name)} removed"):
        probes.remove_result(name)
