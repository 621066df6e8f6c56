"""How many threads a process computes with."""

import os

_LIBRARIES = ("OMP", "MKL", "OPENBLAS")  # whose number is read when they are loaded


def compute_with(threads: int) -> None:
    """Have this process, and those that it starts, compute with so many threads."""
    for library in _LIBRARIES:
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)
