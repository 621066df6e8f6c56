"""Whether everything comes out on a GPU as it does on the CPU, and how fast the GPU is: at most eight minutes.

    python -m benchmarks.gpu [--device cuda] [--minutes 6] [--out FILE] [--only PART] [--tiny]

Every criterion, reconstruction, every method and runs that change the device halfway, each beside the CPU with what may
differ; ONNX Runtime's providers where they load; images per second of training beside torchvision with a DataLoader and
beside the card's limit; peak memory. The report goes to the screen and to FILE as Markdown. What no time is left for is
named; --only does the sections whose name holds PART. --tiny, with --device cpu on a computer without a card, shows
that all of it runs and no more. Exit code 1 when something differs by more than allowed.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.gpu import agreement, crossing, providers, speed
from benchmarks.gpu.findings import FULL, TINY, Section
from engine.errors import RequestError
from engine.measure.machine import cpu_model, environment, resolve_device


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    try:
        device = resolve_device(options.device)
    except RequestError as error:
        print(f"{error}; --device cpu --tiny shows that the script runs", file=sys.stderr)
        return error.exit_code
    torch.backends.cudnn.allow_tf32 = False  # as runs have it
    sizes = TINY if options.tiny else FULL
    ends = time.monotonic() + 60 * options.minutes
    subject = agreement.train_subject(device, sizes)
    sections: dict[str, Callable[[], Section]] = {
        "criteria": lambda: agreement.check_criteria(subject),
        "reconstruction": lambda: agreement.check_reconstruction(subject),
        "speed of training": lambda: speed.measure_training(device, sizes),
        "reconstruction of large images": lambda: speed.measure_wide_reconstruction(device, sizes),
        "providers": lambda: providers.check_providers(subject),
        "changing the device": lambda: crossing.check_crossing(device, sizes),
        "methods": lambda: agreement.check_methods(subject),
    }
    report, wrong = [_head(device, sizes is TINY)], []
    for name, check in sections.items():
        if options.only not in name:
            continue
        text, problems = _section(name, check, ends)
        report.append(text)
        wrong += problems
        print(text, flush=True)
    report.append(f"Not as it should be: {'; '.join(wrong)}.\n" if wrong else "All is as it should be.\n")
    print(report[-1])
    if options.out is not None:
        options.out.write_text("\n".join(report), encoding="utf-8")
    return 1 if wrong else 0


def _section(name: str, check: Callable[[], Section], ends: float) -> tuple[str, list[str]]:
    """The Markdown of one section and what is wrong in it; an error is reported, and the others go on."""
    started = time.monotonic()
    if started >= ends:
        return f"## {name}\n\nLeft out: no time was left.\n", []
    try:
        section = check()
    except Exception as error:  # what fails on a card is what this is to find
        traceback.print_exc()
        return f"## {name}\n\n**Failed**: {type(error).__name__}: {error}\n", [name]
    timed = Section(section.title, section.head, section.rows, section.wrong, time.monotonic() - started)
    return timed.to_markdown(), [f"{name}: {problem}" for problem in section.wrong]


def _head(device: str, tiny: bool) -> str:
    conditions = environment(torch.get_num_threads(), 0, device)
    versions = f"torch {conditions['torch']}, ONNX Runtime {conditions['onnxruntime']}, Python {conditions['python']}"
    warning = "\n\nA try-out with tiny sizes: none of its figures says anything of the device." if tiny else ""
    return f"# {conditions['device_name']} beside {cpu_model()}\n\n{versions}.{warning}\n"


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", allow_abbrev=False)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=float, default=6.0, help="after which no further section begins")
    parser.add_argument("--out", type=Path, help="a Markdown file")
    parser.add_argument("--only", default="", help="a part of the sections' names")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that all of it runs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
