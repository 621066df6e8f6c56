"""Texts can be read in both themes: WCAG's contrast of 4.5, computed from the theme's own colours."""

import tomllib

import pytest

from app import theme
from tests.support.places import ROOT

LEAST = 4.5
CAPTION = 0.6  # opacity of a caption
# Pages and what stands out from them, as Streamlit has them where the theme does not say.
PAPERS = {"light": (theme.LIGHT.paper, "#f1f0ee"), "dark": (theme.DARK.paper, "#2d2b27")}
TEXTS = {"light": "#2f2d2b", "dark": "#edebe8"}


def rgb(colour: str) -> tuple[float, float, float]:
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_captions_links_and_button_texts_can_be_read(kind: str) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][kind]
    text = rgb(config.get("textColor", TEXTS[kind]))
    for paper in map(rgb, PAPERS[kind]):
        caption = tuple(CAPTION * t + (1 - CAPTION) * p for t, p in zip(text, paper, strict=True))
        assert contrast(caption, paper) >= LEAST
        assert contrast(rgb(config["linkColor"]), paper) >= LEAST
    assert contrast((1.0, 1.0, 1.0), rgb(config["primaryColor"])) >= LEAST, "a primary button's white text"
