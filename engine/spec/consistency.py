"""Whether everything that a spec asks for has an effect, and no two things in it speak against each other. No torch."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.errors import RequestError
from engine.spec import catalog
from engine.spec.parts import USUAL_HEAD_EPOCHS

if TYPE_CHECKING:
    from engine.spec.run import RunSpec

FEWEST_RACED = 256  # images: two slices of a race

Problem = tuple[str, str]  # the field that it concerns, and the sentence


def check(spec: "RunSpec") -> None:
    """RequestError, with the field it concerns, for the first thing that would do nothing or contradicts another."""
    for field, sentence in (*_unused(spec), *_contradictions(spec)):
        raise RequestError(sentence, field=field)


def check_race(images: int) -> None:
    """RequestError when there are too few validation images for attempts to be dropped early."""
    if images < FEWEST_RACED:
        raise RequestError(
            f"attempt.race needs at least {FEWEST_RACED} validation images and there are {images:,}; "
            "raise data.val_fraction or data.limit, or leave the race out",
            field="attempt.race",
        )


def _unused(spec: "RunSpec") -> Iterator[Problem]:
    """Settings that would have no effect."""
    phases = spec.phases()
    if spec.depth.method == "direct" and "layers" not in phases:
        sentence = f"depth.method direct removes layers, and the order {spec.order} has no phase for them"
        yield "depth.method", sentence
    if spec.width.method == "progressive" and "channels" not in phases:
        sentence = f"width.method progressive removes channels, and the order {spec.order} has no phase for them"
        yield "width.method", sentence
    if spec.target.latency_table is not None and spec.target.metric != "latency":
        sentence = "target.latency_table is read for the metric latency only; give it with target.metric latency"
        yield "target.latency_table", sentence
    if spec.data.labels is not None and not spec.data.name.startswith("npz:"):
        sentence = f"data.labels is of the numbers in an npz file, and {spec.data.name} has none; leave it out"
        yield "data.labels", sentence
    if spec.depth.floor is not None and spec.depth.method != "direct":
        yield "depth.floor", "depth.floor ends direct removal; give it with depth.method direct"
    yield from _unused_of_width(spec)
    yield from _unused_of_steps(spec)


def _unused_of_width(spec: "RunSpec") -> Iterator[Problem]:
    if spec.width.method != "progressive":
        for name in ("attempt_fraction", "layers_per_step", "select"):
            if getattr(spec.width, name) != type(spec.width).model_fields[name].default:
                yield f"width.{name}", f"width.{name} belongs to width.method progressive; give it with that"
    if spec.width.least_share and spec.order == "layers":
        sentence = "width.least_share is of channels, and the order layers removes whole layers; take another order"
        yield "width.least_share", sentence


def _unused_of_steps(spec: "RunSpec") -> Iterator[Problem]:
    if not any(map(spec.iterates, spec.phases())):
        for field, value in (
            ("recover.between_steps_batches", spec.recover.between_steps_batches),
            ("attempt.measure", spec.attempt.measure),
            ("attempt.race", spec.attempt.race),
        ):
            if value:
                yield field, f"{field} needs depth.method direct, width.method progressive or the order alternate"
    if spec.recover.distil and not (spec.recover.epochs or spec.recover.between_steps_batches):
        yield "recover.distil", "recover.distil needs recover.epochs or recover.between_steps_batches above 0"


def _contradictions(spec: "RunSpec") -> Iterator[Problem]:
    blocks_only = [name for name in spec.criterion.split("+") if catalog.CRITERIA[name].scope == "blocks"]
    if blocks_only and spec.order != "layers":
        yield (
            "criterion",
            f"criterion {blocks_only[0]} scores whole blocks; take it with the order layers, "
            "or measure channels with width.method progressive",
        )
    if spec.attempt.race and spec.attempt.measure == "cka":
        sentence = "attempt.race needs a measure that is a mean over images: accuracy, loss or divergence, not cka"
        yield "attempt.race", sentence
    if spec.order == "layers" and spec.depth.method == "direct" and spec.criterion != spec.measure("layers"):
        yield (
            "criterion",
            f"criterion {spec.criterion} has no part in direct removal alone, which measures "
            f"{spec.measure('layers')}; give that as the criterion",
        )


def untrained_head(classes: int) -> RequestError:
    """Why a head that nobody has trained is not pruned: the data's so many classes are not those of the weights."""
    return RequestError(
        "train.epochs 0 would leave the head untrained: it is new, as that of the weights is not of the data's "
        f"{classes:,} classes; give it epochs before pruning, {USUAL_HEAD_EPOCHS} are a usual few",
        field="train.epochs",
    )
