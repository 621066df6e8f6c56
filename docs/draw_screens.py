"""Takes the pictures of every page in docs/screens: `python -m docs.draw_screens`, from the project's folder.

A dashboard of its own is served over an empty results folder, with the shipped gallery, and looked at by a Chromium.
Pictures have 128 colours, which is enough for a screen and a fifth of the bytes.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.browser.serving import chromium, dashboard

FOLDER = Path(__file__).with_name("screens")
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
COLOURS = 128
PATIENCE = 300_000  # ms
MODELS = "20261121-062642-6164d5fc.4,20261121-062843-dccc3ec7.4"  # of the gallery
PAGES = {
    "explore": "",
    "compare": f"compare?points={MODELS}",
    "launch": "launch",
    "landscape": "landscape",
    "runs": "runs?run=20261121-062642-6164d5fc",
    "devices": "devices",
    "methods": "methods",
}
# Which page at which size in which theme.
SHOTS = [(name, WIDE, "light") for name in PAGES] + [("explore", PHONE, "light"), ("launch", WIDE, "dark")]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="espalier-screens-") as scratch,
        dashboard(Path(scratch) / "results", Path(scratch) / "server.log") as served,
        chromium() as browser,
    ):
        for name, size, theme in SHOTS:
            page = browser.new_page(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
            page.set_default_timeout(PATIENCE)
            file = FOLDER / f"{_file_name(name, size, theme)}.png"
            file.write_bytes(_picture(page, f"{served.address}/{PAGES[name]}"))
            page.close()
            print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB", flush=True)


def _file_name(name: str, size: dict[str, int], theme: str) -> str:
    return "-".join([name, *(["phone"] if size is PHONE else []), *([theme] if theme == "dark" else [])])


def _picture(page: Page, address: str) -> bytes:
    """The first screen of a page that has come to rest, with few colours."""
    page.goto(address)
    page.locator("h1").wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for(state="attached")
    page.wait_for_timeout(3000)  # charts are drawn after the page's script has ended
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    packed = io.BytesIO()
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


if __name__ == "__main__":
    main()
