"""Where things live on this machine. No torch."""

import os
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[2]  # what holds app, engine and pages: a checkout, or site-packages
_SHIPPED_GALLERY = PACKAGES / "engine" / "gallery"  # where an installation has it


def cache() -> Path:
    """The folder for downloads: $ESPALIER_CACHE, or ~/.cache/espalier. It may not exist yet."""
    return Path(os.environ.get("ESPALIER_CACHE") or "~/.cache/espalier").expanduser()


def settings() -> Path:
    """The folder of what this user has decided: $ESPALIER_CONFIG, or ~/.config/espalier. It may not exist yet."""
    return Path(os.environ.get("ESPALIER_CONFIG") or "~/.config/espalier").expanduser()


def results() -> Path:
    """The folder of the runs: $ESPALIER_RESULTS, or ./results. It may not exist yet."""
    return Path(os.environ.get("ESPALIER_RESULTS") or "results").expanduser()


def uploads(results: Path) -> Path:
    """Where a folder of runs has what came from the browser. It may not exist yet."""
    return results / "uploads"


def sweeps(results: Path) -> Path:
    """Where a folder of runs has the locks of the processes that work on sweeps. It may not exist yet."""
    return results / "sweeps"


def nearest(folder: Path) -> Path:
    """A folder that may not exist yet, or else the nearest one above it that does: where it is, or would be made."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def gallery() -> Path:
    """The folder of the runs that are shipped: inside an installed package, or the checkout's results/gallery."""
    return _SHIPPED_GALLERY if _SHIPPED_GALLERY.is_dir() else PACKAGES / "results" / "gallery"


def streamlit_settings() -> Path:
    """The dashboard's Streamlit settings: inside an installed package, or at the top of the checkout."""
    installed = PACKAGES / "app" / ".streamlit" / "config.toml"
    return installed if installed.is_file() else PACKAGES / ".streamlit" / "config.toml"
