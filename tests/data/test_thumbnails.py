"""What is kept of the test images: all labels, and pictures of some that a browser shows."""

import base64
import io
from dataclasses import replace

import torch
from PIL import Image

from engine.data import thumbnails
from engine.data.split import Split
from tests.support import tiny


class _Files:
    """Images that are read when they are needed."""

    def __init__(self, split: Split) -> None:
        self._split = split

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        assert self._split.images is not None
        return self._split.images[index], int(self._split.labels[index])


def opened(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))


def test_labels_are_all_kept_and_pictures_of_some_with_the_classes_in_proportion() -> None:
    data = tiny.data(val=4 * thumbnails.MOST)
    kept = thumbnails.describe_test(data)
    assert kept.classes == data.classes and kept.labels == tuple(data.test.labels.tolist())
    pictured = [kept.labels[thumbnail.image] for thumbnail in kept.thumbnails]
    assert [pictured.count(label) for label in range(4)] == [thumbnails.MOST // 4] * 4
    assert opened(kept.thumbnails[0].picture).size == (16, 16)


def test_images_on_disk_give_the_same_and_other_images_another_digest() -> None:
    data = tiny.data(val=12)
    on_disk = replace(data, test=Split(None, data.test.labels, _Files(data.test)))
    assert thumbnails.describe_test(on_disk) == thumbnails.describe_test(data)
    other = replace(data, test=data.val)
    assert other.test.labels.tolist() == data.test.labels.tolist()
    assert thumbnails.describe_test(other).digest != thumbnails.describe_test(data).digest


def picture_of(pixels: torch.Tensor) -> Image.Image:
    split = Split(pixels[None].contiguous(), torch.zeros(1, dtype=torch.int64))
    return opened(thumbnails.describe_test(replace(tiny.data(val=4), test=split)).thumbnails[0].picture)


def test_a_grey_image_keeps_its_values_and_a_large_one_is_made_small() -> None:
    grey = picture_of(torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, 16, 16))
    assert grey.mode == "L" and list(grey.tobytes()) == list(range(256))
    red = torch.zeros(3, 200, 100, dtype=torch.uint8)
    red[0] = 255
    large = picture_of(red)
    assert (large.mode, large.size) == ("RGB", (24, 48))
