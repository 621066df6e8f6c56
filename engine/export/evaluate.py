"""How good a network is as an ONNX file: which a quantised one, no torch network any more, is measured by."""

from pathlib import Path

import torch
from torch import Tensor

from engine.data.load import Data, Split
from engine.errors import WorkError
from engine.export.onnx import INPUT, OUTPUT
from engine.export.runtime import ORT_ERRORS, first_line, open_session
from engine.train.evaluate import Evaluation, tally


def evaluate_onnx(path: Path, split: Split, data: Data, batch_size: int = 128) -> Evaluation:
    """One pass of an exported file over `split`, through ONNX Runtime on the CPU.

    Raises WorkError when the split is empty, the file cannot be run or its outputs are not finite.
    """
    try:
        session = open_session(path)
    except ORT_ERRORS as error:
        raise WorkError(f"ONNX Runtime cannot open {path}: {first_line(error)}") from None

    def logits_of(images: Tensor) -> Tensor:
        try:
            return torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
        except ORT_ERRORS as error:
            raise WorkError(
                f"ONNX Runtime cannot run {path} on {tuple(images.shape)} images: {first_line(error)}"
            ) from None

    return tally(logits_of, split, data, "cpu", batch_size)
