"""What a run is shown: the data, how much of it, and how it is read. No torch."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from engine.spec import messages
from engine.spec.images import image_size, label_rules
from engine.spec.parts.kinds import Number, Part, Text, Three, Whole, Words
from engine.spec.settings import Setting

_MOST_IMAGES = 2**53


class DataSpec(Part):
    name: Annotated[
        Text,
        Setting(
            "a name from `datasets`, folder:PATH, npz:PATH or SOURCE>TARGET, such as 'mnist5k>digits', in quotes, as a "
            "shell takes > for its own",
            "--data",
            "data",
            label="the name of the images",
            costs_time=True,
        ),
    ] = "clutter"
    root: Annotated[
        Text | None,
        Setting("where downloaded data lies", "--data-root", "data_root", "data folder", "the data folder", path=True),
    ] = None
    limit: Annotated[
        Annotated[Whole, Field(ge=1)] | None,
        Setting("at most so many images of each split", label="the number of images", unit="images", costs_time=True),
    ] = None
    val_fraction: Annotated[
        Number,
        Setting(
            "share of train that becomes the validation split",
            heading="validation share",
            label="the validation share",
        ),
    ] = Field(0.1, gt=0, lt=1)
    normalize: Annotated[
        Literal["imagenet", "cifar10", "cifar100"] | tuple[Three, Three] | None,
        Setting(
            "imagenet, cifar10, cifar100 or [[3 means], [3 deviations]]",
            heading="normalisation",
            label="the normalisation",
        ),
    ] = Field(None, description="imagenet, cifar10, cifar100 or [[3 means], [3 deviations above 0]]")

    image_size: Annotated[
        Annotated[Whole, Field(ge=1)] | tuple[Whole, Whole] | None,
        Setting(
            "pixels of the network's images, such as 224, or 160x224 (height x width); the data's or the network's own "
            "where nothing is said",
            heading="image size",
            label="the image size",
            costs_time=True,
            later=True,
        ),
    ] = Field(None, description=image_size.FORM)
    labels: Annotated[
        Words | None,
        Setting(
            "what odd labels of an npz file mean: from-1, ignore-255, compact or as-is, several joined by +",
            label="the meaning of labels",
            later=True,
        ),
    ] = Field(None, description=label_rules.FORM)

    @field_validator("image_size", mode="before")
    @classmethod
    def _size_in_words(cls, value: Any) -> Any:
        return image_size.read(value)

    @field_validator("image_size")
    @classmethod
    def _sides_are_usual(cls, value: Any) -> Any:
        if value is not None:
            image_size.check(value)
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_rules(cls, value: str | None) -> str | None:
        if value is not None:
            label_rules.parse(value)
        return value

    @property
    def size_asked(self) -> tuple[int, int] | None:
        """Height and width as asked for, in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @field_validator("limit")
    @classmethod
    def _is_countable(cls, value: int | None) -> int | None:
        if value is not None and value > _MOST_IMAGES:
            raise ValueError(f"must be a whole number of at least 1 (got {messages.quote(value)}, which is too large)")
        return value

    @field_validator("normalize")
    @classmethod
    def _deviations_above_zero(cls, value: Any) -> Any:
        if isinstance(value, tuple) and min(value[1]) <= 0:
            raise ValueError("must be a name or [[3 means], [3 deviations above 0]]")
        return value
