"""What a run keeps of its points besides their figures, made up. Test-only."""

from collections.abc import Mapping, Sequence

import numpy as np

from engine.graph.cost import Cost
from engine.storage.folders.run import Run
from engine.storage.outcomes import images, layers, predictions
from engine.storage.outcomes.images import ImageList, Thumbnail

PICTURE = "data:image/png;base64,iVBORw0KGgo="
CLASSES = ("cat", "dog", "owl")
LABELS = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2)


def image_list(digest: str = "a", pictured: Sequence[int] = (1, 5)) -> ImageList:
    """Ten images of three classes, two of them with pictures."""
    thumbnails = tuple(Thumbnail(image=number, picture=PICTURE) for number in pictured)
    return ImageList(digest=digest, classes=CLASSES, labels=LABELS, thumbnails=thumbnails)


def keep(run: Run, named: Mapping[int, Sequence[int]], digest: str = "a") -> None:
    """Keeps the classes that points name for the ten images, and two layers' costs of each of these points."""
    images.write(run.path, image_list(digest))
    for point, classes in named.items():
        predictions.write(run.model_file(point, predictions.SUFFIX), np.asarray(classes))
        costs = {"conv1": Cost(params=4_000, macs=3_000_000), "layer1.0.conv1": Cost(params=9_000, macs=6_000_000)}
        layers.write(run.model_file(point, layers.SUFFIX), costs)
