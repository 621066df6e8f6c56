"""Where things lie in the checkout that is tested."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
AGENT_SCRIPT = ROOT / "engine" / "boards" / "agent" / "bench.py"
GALLERY = ROOT / "results" / "gallery"
