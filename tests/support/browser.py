"""A page of the dashboard in a real browser: typed, chosen and pressed only when it has taken what came before."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Locator, Page, TimeoutError, expect

SECOND = 1000  # Playwright counts milliseconds
PATIENCE = 120 * SECOND  # a bound, not a delay: of a machine that is busy with something else, too
_TRIES = 5


def settle(page: Page) -> None:
    """Waits until the server has run the page to its end with everything that was typed and pressed."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)


def visit(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)


def fill(page: Page, label: str, value: str) -> None:
    """Types a value and waits until the page has taken it; again where it was drawn anew meanwhile."""
    field = page.get_by_label(label, exact=True)
    for _ in range(_TRIES):
        settle(page)
        field.fill(value)
        field.press("Enter")
        settle(page)
        if field.input_value() == value:
            return
    raise AssertionError(f"{label} shows {field.input_value()!r}, and {value!r} was typed {_TRIES} times")


def fill_in_popover(page: Page, button: str, label: str, value: str) -> None:
    settle(page)
    page.get_by_test_id("stPopoverButton").filter(has_text=button).click()
    fill(page, label, value)
    page.keyboard.press("Escape")


def choose(page: Page, label: str, option: str) -> None:
    """Chooses from a list; again where it was closed as the page was drawn anew meanwhile."""
    entry = page.get_by_role("option", name=option, exact=True)
    for _ in range(_TRIES):
        settle(page)
        page.get_by_role("combobox", name=re.compile(label)).click()
        with suppress(TimeoutError):
            entry.click(timeout=5 * SECOND)
            settle(page)
            return
        page.keyboard.press("Escape")
    expect(entry).to_be_visible()


def press(page: Page, button: str) -> None:
    """Presses the button of this name once the page is at rest."""
    settle(page)
    button_of(page, button).click()


def button_of(page: Page, name: str) -> Locator:
    """The button of this name, which may have a key of its own behind it."""
    return page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}(\s*Shortcut .*)?$"))


@contextmanager
def popover(page: Page, button: str) -> Iterator[None]:
    """What is done while a popover is open."""
    settle(page)
    opener = page.get_by_test_id("stPopoverButton").filter(has_text=button)
    opener.click()
    yield
    opener.click()
    settle(page)


def step(page: Page, label: str, value: float, size: float = 1) -> None:
    """Brings a number to a value by presses of its plus or minus, with no key."""
    field = page.get_by_label(label, exact=True)
    beside = field.locator("xpath=ancestor::*[.//button[normalize-space()='+']][1]")
    presses = round((value - float(field.input_value())) / size)
    for _ in range(_TRIES * (1 + abs(presses))):
        settle(page)
        shown = float(field.input_value())
        if abs(shown - value) < size / 2:
            return
        beside.get_by_role("button", name="+" if shown < value else "−", exact=True).click()
    raise AssertionError(f"{label} shows {field.input_value()!r}, and was to be brought to {value} by single steps")


def only(page: Page, label: str, option: str, *others: str) -> None:
    """Of a list of options leaves one, which is put in where it is not there; `others` are those that are."""
    choose(page, label, option)
    page.keyboard.press("Escape")
    for other in others:
        settle(page)
        page.get_by_role("button", name=re.compile(f"Remove.*{other}")).click()
    settle(page)
