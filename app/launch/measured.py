"""What the targets come to before any training, measured by a process that is kept warm while somebody looks on."""

from dataclasses import dataclass, field

import streamlit as st

from app import escape, format, text
from app.components import notes as decided
from app.components.error_boundary import error_boundary
from app.launch.request import sentence
from app.tables import store
from engine.errors import RequestError, WorkError
from engine.pipeline.preview.answer import Preview, Tally, TargetPreview
from engine.pipeline.preview.request import PreviewRequest, make_request
from engine.preview_server.client import Ask, Start
from engine.spec import catalog
from engine.spec.run import RunSpec

_KEY = "measured"  # in the session: the preview on its way, or its outcome
_REFRESH_SECONDS = 0.5
_START = Start(bound=True)  # a process that the dashboard starts ends with it


@dataclass
class Measured:
    """A request, and what has come of it so far: the answer, or one sentence that says why there is none."""

    request: PreviewRequest
    stamps: store.Stamps
    ask: Ask | None = None
    answer: Preview | None = None
    failure: str | None = None
    can_be_asked_again: bool = field(default=False)

    def look(self) -> None:
        """Asks, and takes what there is; waits for nothing."""
        if self.answer is not None or self.failure is not None:
            return
        try:
            self.ask = self.ask or Ask(self.request, _START)
            self.answer = self.ask.poll()
        except (RequestError, WorkError) as error:
            self.failure, self.can_be_asked_again = str(error), isinstance(error, WorkError)
        if self.answer is not None or self.failure is not None:
            self.drop()

    def drop(self) -> None:
        """Nobody waits for it any more."""
        if self.ask is not None:
            self.ask.close()
            self.ask = None


def draw(spec: RunSpec) -> Preview | None:
    """The switch, and what the targets of a request come to while it is on; a changed request is asked anew."""
    asked = st.toggle(
        "Measure before training",
        key="launch_measured",
        persist_state="session",
        help="Cuts and reconstructs each target within seconds, and measures it on validation images. Nothing is "
        "trained and nothing is kept.",
    )
    current = _current(spec) if asked else None
    if current is None:
        _forget()
        return None
    current.look()
    if current.answer is not None:
        _show(current.answer, carried_over=catalog.pair_of(spec.data.name) is not None)
    elif current.failure is not None:
        st.warning(sentence(current.failure), icon=":material/error:")
        if current.can_be_asked_again:
            st.button("Measure again", icon=":material/refresh:", on_click=_forget)
    else:
        _wait()
    return current.answer


def _current(spec: RunSpec) -> Measured | None:
    """The preview of a request, begun where it is not the one of the last look; None where there can be none."""
    try:
        request = make_request(spec, store.results_root())
    except RequestError as error:
        st.caption(sentence(str(error), error.field))
        return None
    stamps = store.stamps(spec)
    current: Measured | None = st.session_state.get(_KEY)
    if current is None or (current.request, current.stamps) != (request, stamps):
        _forget()
        st.session_state[_KEY] = current = Measured(request, stamps)
    return current


def _forget() -> None:
    current: Measured | None = st.session_state.pop(_KEY, None)
    if current is not None:
        current.drop()


@st.fragment(run_every=_REFRESH_SECONDS)
@error_boundary()
def _wait() -> None:
    """What is going on, until there is an answer; the page is then drawn anew once."""
    current: Measured | None = st.session_state.get(_KEY)
    if current is None:
        return
    current.look()
    if current.ask is None:
        st.rerun()
    st.caption(f":material/hourglass_empty: {escape.markdown(text.sentence(current.ask.stage))}")


def _show(preview: Preview, *, carried_over: bool) -> None:
    for target in preview.targets:
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.markdown(f"**{format.ratio(target.keep)}**", width=48)
            st.caption(_sentence(target, preview))
    images = f"{preview.untouched.total:,} validation images" + " of the source" * carried_over
    refit = f", reconstructed from {preview.calibration_images:,} training images" if preview.calibration_images else ""
    st.caption(f"Untouched {format.percent(preview.untouched.top1)}. Of {images}{refit}; {preview.seconds:.0f} s.")
    decided.show([f"{target.keep:g}×: {note}" for target in preview.targets for note in target.notes])


def tally_of(preview: Preview | None, keep: float) -> Tally | None:
    """The best that was measured for a target; None where nothing was."""
    targets = () if preview is None else preview.targets
    return next((target.reconstructed or target.plain for target in targets if target.keep == keep), None)


def _sentence(target: TargetPreview, preview: Preview) -> str:
    """A target's accuracy and how sure it is, beside that of the plain cut."""
    best = target.reconstructed or target.plain
    kind = "reconstructed" if target.reconstructed else "as it is cut"
    loss = format.percentage_points(best.top1, preview.untouched.top1)
    interval = f"{100 * best.low:.1f}–{format.percent(best.high)}"
    plain = f"; cut and nothing else {format.percent(target.plain.top1)}" if target.reconstructed else ""
    return f"**{format.percent(best.top1)}** {kind} ({loss}; 95 %: {interval}){plain}"
