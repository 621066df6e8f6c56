"""What the runs take on the disk, and the removal of what can be made again."""

from collections.abc import Sequence

import streamlit as st

from app import format
from app.components import actions
from app.tables import store
from engine import words
from engine.storage.cache.cache import Cache
from engine.storage.housekeeping import disk, trash, under_way
from engine.uploads import unused
from engine.uploads.shelf import Upload

_ONNX, _WEIGHTS = "ONNX files", "ONNX files and weights"


def show() -> None:
    """The sizes, folded, as counting them reads every folder; and the button that makes space."""
    expander = st.expander("Space on the disk", icon=":material/hard_drive:", key="disk_usage", on_change="rerun")
    if not expander.open:
        return
    with expander:
        sizes = disk.sizes(store.open_store())
        parts = [f"{format.si(size, 'B')} of {kind}" for kind, size in sizes.items() if size]
        st.markdown(f"**{format.si(sum(sizes.values()), 'B')}** in all" + (f": {', '.join(parts)}." if parts else "."))
        if st.button("Make space", icon=":material/cleaning_services:"):
            _choose()


@st.dialog("Make space", icon=":material/cleaning_services:")
def _choose() -> None:
    what = st.radio(
        "What goes",
        (_ONNX, _WEIGHTS),
        captions=(
            "`espalier export` makes them again from the weights.",
            "Only running again brings weights back; nothing can go on from these runs then.",
        ),
        key="clean_what",
    )
    results = store.open_store()
    planned = disk.cleaning(results, weights=what == _WEIGHTS)
    sizes = disk.sizes(results)
    deleted, shared = sizes["deleted runs"], sizes["what runs share"]
    uploads = unused.find(results)
    said = [f"{planned.count:,} files of runs that are done, {format.si(planned.bytes, 'B')}"]
    said += [f"what runs share, {format.si(shared, 'B')}"] if shared else []
    said += [f"deleted runs that could still be put back, {format.si(deleted, 'B')}"] if deleted else []
    if uploads:
        size = sum(disk.size(upload.path.parent) for upload in uploads)
        said.append(f"{words.count(len(uploads), 'upload')} that no run names, {format.si(size, 'B')}")
    if under_way.is_sweep(results.root):
        st.caption("A sweep is under way, which may need uploads and weights: those stay until it has ended.")
    if not planned.count and not deleted and not shared and not uploads:
        st.markdown("There is nothing to remove.")
        return
    st.markdown(f"This removes {', and '.join(said)}. Plans, points, events and logs stay.")
    actions.confirm("Remove for good", _clean, planned, uploads)


def _clean(planned: disk.Cleaning, uploads: Sequence[Upload]) -> None:
    results = store.open_store()

    def clean() -> None:
        removed = disk.clean(results, planned)
        gone = unused.remove(results, uploads)
        more = f", {words.count(len(gone), 'upload')}" if gone else ""
        trash.empty(results)
        Cache(results.root).clear()
        actions.say_success(
            f"Removed {removed.count:,} files, {format.si(removed.bytes, 'B')}{more}, and what else could go"
        )

    actions.run_action(clean)
