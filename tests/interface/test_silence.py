"""What loads ONNX Runtime, the hub's client and Streamlit for us calls nobody and leaves nothing in the home folder."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.places import ROOT

PROGRAM = """
import engine.errors  # as any module of ours is imported, before what it loads
import onnxruntime
onnxruntime.SessionOptions()
import huggingface_hub.constants
assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY is True
from streamlit import config
from streamlit.web import bootstrap
from engine.cli.commands import app
from engine.storage import directories
bootstrap.load_config_options(app._settings(directories.streamlit_settings()))
assert config.get_option("browser.gatherUsageStats") is False
"""


def test_nothing_of_ours_keeps_or_sends_what_its_libraries_would(tmp_path: Path) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    (home / ".streamlit").mkdir(parents=True)
    settings = home / ".streamlit" / "config.toml"
    settings.write_text("[browser]\ngatherUsageStats = true\n")
    folders = {"HOME": str(home), "XDG_CACHE_HOME": str(cache), "XDG_CONFIG_HOME": str(home / ".config")}
    wanted = {"ORT_DISABLE_TELEMETRY": "0", "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "true", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **folders, **wanted}
    environment.pop("HF_HUB_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == [settings]
    assert not cache.exists() or list(cache.rglob("*")) == []
