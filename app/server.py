"""The dashboard as an application that answers to the names of this computer alone, whatever is asked for.

Streamlit itself holds its websocket and its uploads to `server.allowedHosts`, and hands its page to anybody.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit import config

app = st.App(
    Path(__file__).with_name("main.py"),
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=config.get_option("server.allowedHosts"))],
)
