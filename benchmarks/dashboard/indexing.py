"""The time and the memory that it takes to make the index anew.

`python -m benchmarks.dashboard.indexing [--runs 300] [--points 1000]`
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.memory import peak_memory
from engine.storage.store import GALLERY, Store


def fill(root: Path, runs: int, points: int) -> None:
    """A results folder of `runs` copies of a gallery run with `points` points each."""
    source = min(GALLERY.glob("*/points.jsonl")).parent
    lines = (source / "points.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(lines[n % len(lines)] for n in range(points))
    for number in range(runs):
        folder = root / "runs" / f"20260101-000000-{number:08x}"
        folder.mkdir(parents=True)
        for name in ("spec.json", "status.json", "env.json"):
            shutil.copy(source / name, folder / name)
        (folder / "points.jsonl").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--points", type=int, default=1000, help="of each run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="espalier-indexing-") as scratch:
        fill(Path(scratch), arguments.runs, arguments.points)
        store = Store(Path(scratch), gallery=Path(scratch) / "gallery")
        started = time.perf_counter()
        count = store.reindex()
        seconds = time.perf_counter() - started
    print(f"{count} runs of {arguments.points:,} points: {seconds:.1f} s, {peak_memory():,.0f} MiB at most")


if __name__ == "__main__":
    main()
