"""The dashboard as an application that answers to the names of this computer alone, whatever is asked for.

Streamlit itself holds its websocket and its uploads to `server.allowedHosts`, and hands its page to anybody.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit import config, file_util

from app import warm
from app.frontend import Frontend


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[None]:
    warm.begin()
    yield


app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=_lifespan,
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=config.get_option("server.allowedHosts")),
        Middleware(Frontend, static=Path(file_util.get_static_dir())),
    ],
)
