"""A field of the form for a path, and beside it what takes a file from the browser and fills its path in."""

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import escape, text
from app.components import actions
from app.components.error_boundary import error_boundary
from app.launch.uploads.wording import WANTED, limits, line
from app.tables import store
from engine.errors import RequestError, WorkError
from engine.storage.files import MIB
from engine.uploads.limits import MOST_BYTES
from engine.uploads.receiving import SUFFIXES, receive
from engine.uploads.shelf import Kind, Shelf, Upload

_GENERATION = "upload_generation"  # in the session: how often something was chosen; each closes its popover
_REFUSED = "upload_refused"  # in the session, by the key of a field: its last file that was not taken, and why


def draw(label: str, kind: Kind, key: str, hint: str) -> str:
    """The path that was typed or chosen; `kind` is what may be uploaded in its place."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        place = st.container(width="stretch")
        generation = st.session_state.setdefault(_GENERATION, 0)
        st.session_state.setdefault(_REFUSED, {})
        with st.popover("Upload", icon=":material/upload_file:", key=f"upload_popover_{key}_{generation}"):
            _choose(kind, key, generation)
    with place:  # after what fills it in
        typed = st.text_input(label, placeholder=hint, key=key, persist_state="session").strip()
    upload = Shelf(store.results_root()).of(typed.partition("#")[0])
    if upload is not None:
        st.caption(f":material/upload_file: {escape.markdown(line(upload))}")
    return typed


@error_boundary()
def _choose(kind: Kind, key: str, generation: int) -> None:
    """Takes a file, or one that was uploaded before."""
    st.markdown(WANTED[kind])
    file = st.file_uploader(
        "From this browser",
        type=list(SUFFIXES[kind]),
        max_upload_size=MOST_BYTES // MIB,
        key=f"upload_file_{key}_{generation}",
    )
    st.caption(limits(kind))
    refused = st.session_state[_REFUSED]
    if file is not None and refused.get(key, ("",))[0] != file.file_id:
        _take(kind, key, file)
    if key in refused:
        st.error(refused[key][1], icon=":material/error:")
    earlier = Shelf(store.results_root()).all(kind)
    if earlier:
        again = st.selectbox(
            "Uploaded before",
            earlier,
            index=None,
            format_func=line,
            placeholder="Choose one",
            key=f"upload_again_{key}_{generation}",
        )
        if again is not None:
            _use(again, key)


def _take(kind: Kind, key: str, file: UploadedFile) -> None:
    """Has the engine check and keep a file; it is forgotten here, where it takes memory, whatever comes of it."""
    try:
        with st.spinner("Checking the file…"):
            upload = receive(store.results_root(), kind, file.name, file)
    except (RequestError, WorkError) as error:
        st.session_state[_REFUSED][key] = file.file_id, text.sentence(str(error))
        return
    finally:
        _forget(file)
    actions.say_success(f"{escape.markdown(upload.name)} is checked, and kept with the results")
    _use(upload, key)


def _use(upload: Upload, key: str) -> None:
    st.session_state[key] = str(upload.path)
    st.session_state[_REFUSED].pop(key, None)
    st.session_state[_GENERATION] += 1
    st.rerun()


def _forget(file: UploadedFile) -> None:
    """Frees the memory of a file, which Streamlit would keep as long as the browser's tab is open."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
