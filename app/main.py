"""What `espalier app` serves. Navigation only; the pages are in pages/."""

from pathlib import Path

import streamlit as st

from app.components import actions, endings, health
from app.components.error_boundary import error_boundary
from app.tables import store

ICON = str(Path(__file__).with_name("icon.svg"))  # a Material icon here would be fetched from the internet

st.set_page_config(page_title="Espalier", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")

page = st.navigation(
    [
        st.Page("../pages/explore.py", title="Explore", icon=":material/scatter_plot:", default=True),
        st.Page("../pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("../pages/launch.py", title="Launch", icon=":material/content_cut:"),
        st.Page("../pages/landscape.py", title="Landscape", icon=":material/grid_on:"),
        st.Page("../pages/runs.py", title="Runs", icon=":material/list_alt:"),
        st.Page("../pages/devices.py", title="Devices", icon=":material/developer_board:"),
        st.Page("../pages/methods.py", title="Methods", icon=":material/school:"),
    ],
    position="top",
)
actions.show_toasts()
with error_boundary(), store.one_token() as token:
    endings.show(token, page.title)
    health.show(token)
    page.run()
