"""The name, the note and the tags of a run: a small form behind a button."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.components import actions
from app.tables import store
from engine.storage.housekeeping import annotations
from engine.storage.records.annotation import LONGEST_NAME, LONGEST_NOTE, Annotation, split_tags


def edit(run: Mapping[str, Any]) -> None:
    """The button, and the form that it opens."""
    run_id = run["run_id"]
    with st.popover("Name and note", icon=":material/edit_note:"), st.form(f"annotation-{run_id}", border=False):
        st.text_input("Name", run["name"], max_chars=LONGEST_NAME, key=_key("name", run_id))
        st.text_area("Note", run["note"], max_chars=LONGEST_NOTE, height=120, key=_key("note", run_id))
        st.text_input(
            "Tags", ", ".join(run["tags"]), max_chars=500, key=_key("tags", run_id), placeholder="with commas between"
        )
        st.form_submit_button("Save", icon=":material/save:", on_click=_save, args=(run_id,))


def _key(part: str, run_id: str) -> str:
    return f"annotation-{part}-{run_id}"


def _save(run_id: str) -> None:
    name, note, tags = (str(st.session_state[_key(part, run_id)]) for part in ("name", "note", "tags"))
    actions.run_action(
        lambda: annotations.write(store.open_store().run(run_id), Annotation.of(name, note, split_tags(tags))), "Saved"
    )
