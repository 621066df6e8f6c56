"""What can be done about several runs at once, and the way back from a deletion."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app import format
from app.components import actions
from app.tables import store
from engine.errors import RequestError, WorkError
from engine.jobs import worker
from engine.storage.housekeeping import trash
from engine.storage.records.status import RESUMABLE


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """The buttons for the ticked runs, each with how many of them it is for."""
    active = [run["run_id"] for run in runs if run["state"] in store.ACTIVE]
    resumable = [run["run_id"] for run in runs if run["state"] in RESUMABLE]
    ended = [run["run_id"] for run in runs if run["state"] not in store.ACTIVE]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{len(runs)} runs ticked**")
        if active:
            st.button(f"Cancel {len(active)}", icon=":material/cancel:", on_click=_cancel, args=(active,))
        if resumable:
            st.button(f"Resume {len(resumable)}", icon=":material/play_arrow:", on_click=_resume, args=(resumable,))
        if ended:
            st.button(
                f":red[Delete {len(ended)}]",
                icon=":material/delete:",
                key="delete-ticked",
                on_click=actions.delete,
                args=(ended,),
            )
    st.caption("Leave one row ticked to see that run's curves and log.")


def show_undo() -> None:
    """The button that puts back what was deleted last, while that can be done."""
    deleted = trash.deletions(store.open_store())
    if not deleted:
        return
    batch = trash.last_batch(deleted)
    what = "1 run" if len(batch) == 1 else f"{len(batch)} runs"
    st.button(
        f"Put back {what}",
        icon=":material/undo:",
        key="undo-delete",
        on_click=_put_back,
        args=(batch, what),
        help=f"Deleted {format.clock(batch[0].at)}; gone for good {format.clock(batch[0].until)}. "
        f"Of {len(deleted)} deleted runs these were the last.",
    )


def _put_back(batch: Sequence[trash.Deletion], what: str) -> None:
    actions.run_action(lambda: trash.restore(store.open_store(), batch), f"Put back {what}")


def _cancel(run_ids: Sequence[str]) -> None:
    _each(run_ids, lambda run_id: store.queue().cancel(run_id), "Cancelling {}")


def _resume(run_ids: Sequence[str]) -> None:
    if _each(run_ids, lambda run_id: store.queue().resume(run_id), "Resumed {}; each goes on from its last step"):
        actions.run_action(lambda: worker.start_detached(store.open_store()))


def _each(run_ids: Sequence[str], act: Callable[[str], object], success: str) -> int:
    """Does it to each run, whatever goes wrong with another; for how many it went well."""
    refusals: list[str] = []
    for run_id in run_ids:
        try:
            act(run_id)
        except (RequestError, WorkError) as error:
            refusals.append(str(error))
    done = len(run_ids) - len(refusals)
    if done:
        actions.say_success(success.format("1 run" if done == 1 else f"{done} runs"))
    actions.say_refusals(refusals)
    return done
