"""What a run keeps of its test images, so that a page can show some without the data. No torch at import."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.data.split import LIMIT_SEED, Data, Split
from engine.storage.outcomes.images import ImageList, Thumbnail

if TYPE_CHECKING:
    from torch import Tensor

MOST = 256  # pictures, with the classes in proportion
_SIDE = 48  # px, at most; a smaller image stays as it is
_QUALITY = 90  # of a JPEG: colours as PNG would take four times the space


def describe_test(data: Data) -> ImageList:
    """The test images by which networks on `data` are known, with pictures of the same few for every run.

    Reads those few; the digest is of all labels and of their pixels.
    """
    split = data.reported
    selection = sorted(split.representative(min(MOST, len(split)), LIMIT_SEED)[0].tolist())
    digest = hashlib.sha256(split.labels.numpy().tobytes())
    thumbnails = []
    for number, pixels in zip(selection, _images(split, selection), strict=True):
        digest.update(pixels.contiguous().numpy().tobytes())
        thumbnails.append(Thumbnail(image=number, picture=_picture(pixels)))
    return ImageList(
        digest=digest.hexdigest()[:16],
        classes=data.classes,
        labels=tuple(split.labels.tolist()),
        thumbnails=tuple(thumbnails),
    )


def _images(split: Split, selection: list[int]) -> Iterator[Tensor]:
    """The uint8 3×H×W images at these places."""
    for number in selection:
        if split.images is not None:
            yield split.images[number]
        else:
            assert split.disk is not None
            yield split.disk[number][0]


def _picture(pixels: Tensor) -> str:
    """A uint8 3×H×W image, made small, as the URI of its data."""
    from PIL import Image

    grey = bool((pixels == pixels[:1]).all())
    image = Image.fromarray(pixels[0].numpy() if grey else pixels.permute(1, 2, 0).contiguous().numpy())
    image.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    if grey:
        image.save(stream, "PNG", optimize=True)
    else:
        image.save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/{'png' if grey else 'jpeg'};base64,{base64.b64encode(stream.getvalue()).decode()}"
