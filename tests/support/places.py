"""Where things lie in the checkout that is tested, and how much of the zoo is."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
AGENT_SCRIPT = ROOT / "engine" / "boards" / "agent" / "bench.py"
GALLERY = ROOT / "results" / "gallery"
# Every network where a few of each kind will do otherwise: `make test-whole`.
WHOLE_ZOO = bool(os.environ.get("ESPALIER_WHOLE_ZOO"))
