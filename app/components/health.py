"""The one line of every page that says what is wrong with the results folder, when something is."""

from pathlib import Path

import streamlit as st

from app import escape
from app.tables import store
from engine.doctor import examine

_FRESH = "30s"  # free space and permissions change without any job


def show(token: str) -> None:
    """The first thing that is wrong, how many more there are, and the command that says all."""
    findings = _findings(str(store.results_root()), token)
    if not findings:
        return
    place, sentence = findings[0]
    sentence = sentence.replace(f"{store.results_root()}/", "")
    what = sentence if place in sentence else f"{place}: {sentence}"
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    st.caption(f":material/warning: {escape.message(what)}{more} · `espalier doctor --fix`")


@st.cache_data(max_entries=4, ttl=_FRESH, show_spinner=False)
def _findings(root: str, token: str) -> list[tuple[str, str]]:
    return [
        (Path(finding.where).name, finding.sentence) for finding in examine.examine(store.open_store(), examine.QUICK)
    ]
