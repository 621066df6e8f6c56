"""Texts can be read in both themes: WCAG's contrast of 4.5, computed from the theme's own colours."""

import tomllib

import pytest

from app import theme
from tests.support.places import ROOT

LEAST = 4.5
MUTED = 0.6  # opacity of a caption, and of the shortcut on a button
WHITE = (1.0, 1.0, 1.0)
# What stands out from the page as Streamlit has it where the theme does not say, and its text.
RAISED = {"light": "#f1f0ee", "dark": "#2d2b27"}
TEXTS = {"light": "#2f2d2b", "dark": "#edebe8"}
Colour = tuple[float, ...]


def rgb(colour: str) -> Colour:
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def opacity(colour: str) -> float:
    return int(colour[7:9] or "ff", 16) / 255


def over(colour: Colour, below: Colour, alpha: float) -> Colour:
    return tuple(alpha * c + (1 - alpha) * b for c, b in zip(colour, below, strict=True))


def contrast(one: Colour, other: Colour) -> float:
    def luminance(colour: Colour) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def config(kind: str) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][kind]
    return {"textColor": TEXTS[kind], "secondaryBackgroundColor": RAISED[kind], **found}


kinds = pytest.mark.parametrize(("kind", "page"), [("light", theme.LIGHT.paper), ("dark", theme.DARK.paper)])


@kinds
def test_captions_links_and_code_can_be_read(kind: str, page: str) -> None:
    colours = config(kind)
    for paper in map(rgb, (page, colours["secondaryBackgroundColor"])):
        for name in ("textColor", "codeTextColor"):
            assert contrast(over(rgb(colours[name]), paper, MUTED), paper) >= LEAST, name
        assert contrast(rgb(colours["linkColor"]), paper) >= LEAST


@kinds
def test_what_is_chosen_can_be_read_on_a_button_in_a_list_and_beside_what_is_not(kind: str, page: str) -> None:
    """White on the primary colour in buttons and lists; the primary colour on the page, over its own tint, where one
    of some is chosen and above a slider.
    """
    colours = config(kind)
    primary, alpha, paper = rgb(colours["primaryColor"]), opacity(colours["primaryColor"]), rgb(page)
    for below in (paper, rgb(colours["secondaryBackgroundColor"])):
        assert contrast(WHITE, over(primary, below, alpha)) >= LEAST
    tint = over(primary, paper, max(0.0, alpha - 0.9))
    assert contrast(over(primary, tint, alpha), tint) >= LEAST


def test_the_shortcut_on_the_main_button_can_be_read() -> None:
    """On the dark theme such a button is not filled: no white can be read there at 60 %."""
    light, dark = rgb(config("light")["primaryColor"]), rgb(config("dark")["primaryColor"])
    assert contrast(over(WHITE, light, MUTED), light) >= LEAST
    assert contrast(over(WHITE, dark, MUTED), dark) < LEAST
