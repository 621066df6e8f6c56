"""Makes app/methods/demonstration.json anew: what the page Methods shows of a small network.

    python -m benchmarks.demonstration [--train | --time]

Every criterion ranks the channels of every layer (or the blocks); the lowest go, and validation images tell what that
costs, before and after reconstruction. --train trains the network anew first. Minutes on one core.

--time makes nothing, but says how soon the page answers when its slider is moved.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator

from app.methods import demonstration
from app.methods.demonstration import Demonstration, Layer, Ranking
from benchmarks.demonstration import answer, experiments, network
from benchmarks.demonstration.bench import Bench
from engine.data.load import Data
from engine.spec.catalog import CRITERIA
from engine.storage.atomic import atomic_write


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demonstration", allow_abbrev=False)
    parser.add_argument("--train", action="store_true", help="train the network anew first")
    parser.add_argument("--time", action="store_true", help="how soon the page answers")
    options = parser.parse_args(arguments)
    if options.time:
        return answer.report(["taylor", "obs", "accuracy"])
    data = network.images()
    module = network.train(data) if options.train else network.read()
    for document in _measure(Bench.of(module, data), data):
        _write(document)
    print(f"{demonstration.FILE.stat().st_size:,} bytes", flush=True)
    return 0


def _write(document: Demonstration) -> None:
    with atomic_write(demonstration.FILE) as part:
        fields = document.model_dump(mode="json")
        part.write_text(json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n")


def _measure(bench: Bench, data: Data) -> Iterator[Demonstration]:
    """What is known after each criterion: a run that is stopped leaves what it has measured."""
    known, rankings = _describe(bench, data), dict[str, dict[str, Ranking]]()
    for name in CRITERIA:
        rankings[name] = bench.rank(name)
        print(f"{name} is measured, after {time.process_time():.0f} s of the processor", flush=True)
        yield known.model_copy(update={"rankings": dict(rankings)})


def _describe(bench: Bench, data: Data) -> Demonstration:
    """The network and its experiments, before any ranking."""
    summary = bench.structure.summary
    return Demonstration(
        weights=network.digest(),
        data=data.name,
        training_images=len(data.train),
        validation_images=len(data.val),
        calibration_images=len(bench.reference.images),
        training_epochs=network.EPOCHS,
        recovery_images=experiments.RECOVERY_BATCHES * experiments.BATCH,
        layers=tuple(Layer(name=name, width=width) for name, width in bench.layers().items()),
        blocks=bench.blocks(),
        macs=summary.macs,
        params=summary.params,
        correct=bench.validation.correct(bench.module),
        rankings={},
        experiments=tuple(experiments.run(bench)),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
