"""The app in a test browser, and a small model summary. Test-only."""

import base64
import functools
import json
from typing import Any

import numpy as np
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from app.tables import store
from engine.graph.cost import cost
from engine.graph.summary import Block, ChannelGroup, Layer, ModelSummary

# Each AppTest looks for components in the metadata of all installed packages, which takes longer than a page.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def small_summary(normed: bool = True) -> ModelSummary:
    """A stem, one residual block that may go, and a classifier."""
    convs = [("conv1", 0, 1), ("block.conv1", 1, 2), ("block.conv2", 2, 1)]
    layers = [Layer(name, "conv", 0, 16, 1, 9, 64, False, normed, ((a, 1),), ((b, 1),)) for name, a, b in convs]
    layers.append(Layer("fc", "linear", 0, 10, 1, 1, 1, True, False, ((1, 1),), ((3, 1),)))
    channel_groups: tuple[ChannelGroup, ...] = (
        ChannelGroup(3, False, False, ()),
        ChannelGroup(16, True, True, ("conv1", "block.conv2")),
        ChannelGroup(16, True, False, ("block.conv1",)),
    )
    channel_groups += (ChannelGroup(10, False, False, ("fc",)),)
    block = Block("block", ("block",), ("block.conv1", "block.conv2"), True, "residual", ())
    draft = ModelSummary("resnet20", (3, 8, 8), 10, 0, 0, channel_groups, tuple(layers), (), (block,))
    total = cost(draft)
    return ModelSummary(
        "resnet20", (3, 8, 8), 10, total.params, total.macs, channel_groups, tuple(layers), (), (block,)
    )


def app(page: str = "explore", **query: str | list[str]) -> AppTest:
    at = AppTest.from_file(str(store.ROOT / "app" / "main.py"), default_timeout=120)
    for key, value in query.items():
        at.query_params[key] = value
    if page != "explore":
        at.switch_page(f"../pages/{page}.py")
    at.run()
    assert not at.exception, at.exception
    return at


def launch(**choices: str) -> AppTest:
    """The launch page with a model, or one order and one method each for the layers and the channels."""
    at = app("launch")
    for name, value in choices.items():
        key = f"launch_{name}"
        if name == "order":
            at.multiselect(key=key).set_value([value]).run()
        elif name in ("layers", "channels"):
            at.segmented_control(key=key).set_value([value]).run()
        else:
            at.selectbox(key=key).set_value(value).run()
    assert not at.exception, at.exception
    return at


def point_count(at: AppTest) -> int:
    return sum(len(trace["customdata"]) for trace in chart(at)["data"] if trace.get("customdata"))


def numbers(values: Any) -> list[float]:
    """The numbers of an axis in a chart's JSON, which Plotly packs."""
    if isinstance(values, dict):
        return list(np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]))
    return list(values)


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def chart(at: AppTest) -> Any:
    return json.loads(next(c.proto.spec for c in at.get("plotly_chart") if "tradeoff" in c.proto.id))


def captions(at: AppTest) -> str:
    return "\n".join(caption.value for caption in at.caption)


def errors(at: AppTest) -> list[str]:
    return [error.value for error in at.error]
