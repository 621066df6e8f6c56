"""Whether everything that a spec asks for has an effect, and no two things in it speak against each other. No torch."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from engine.errors import RequestError
from engine.spec import catalog
from engine.spec.parts import MOST_TARGETS, USUAL_HEAD_EPOCHS, criterion_of

if TYPE_CHECKING:
    from engine.spec.run import RunSpec

MOST_CANDIDATES = 64  # of a search, pairs of a criterion and a layers' share
FEWEST_RACED = 256  # images: two slices of a race

Problem = tuple[str, str]  # the field that it concerns, and the sentence


def check(spec: "RunSpec") -> None:
    """RequestError, with the field it concerns, for the first thing that would do nothing or contradicts another."""
    for field, sentence in chain(_unused(spec), _contradictions(spec), _of_accuracy(spec)):
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
    if spec.data.labels is not None and not any(half.startswith("npz:") for half in catalog.halves(spec.data.name)):
        sentence = f"data.labels is of the numbers in an npz file, and {spec.data.name} has none; leave it out"
        yield "data.labels", sentence
    if spec.depth.floor is not None and spec.depth.method != "direct":
        yield "depth.floor", "depth.floor ends direct removal; give it with depth.method direct"
    yield from _unused_of_width(spec)
    yield from _unused_of_steps(spec)
    yield from _unused_of_transfer(spec)


def _unused_of_transfer(spec: "RunSpec") -> Iterator[Problem]:
    """What is said of a target where there is none, or of pseudo-labels where there are none."""
    with_defaults = {name: field.default for name, field in type(spec.transfer).model_fields.items()}
    changed = [name for name, default in with_defaults.items() if getattr(spec.transfer, name) != default]
    if changed and catalog.pair_of(spec.data.name) is None:
        sentence = f"transfer.{changed[0]} is of a pair of datasets, and {spec.data.name} is one; name it SOURCE>TARGET"
        yield f"transfer.{changed[0]}", sentence
    for name in changed:
        if name in ("confidence", "refresh", "balance") and not spec.transfer.pseudo_labels:
            yield f"transfer.{name}", f"transfer.{name} is of pseudo-labels; give it with transfer.pseudo_labels"
        if name == "adapt_epochs" and not spec.transfer.adversarial:
            yield f"transfer.{name}", f"transfer.{name} is of domain-adversarial training; give it with that"


def _unused_of_width(spec: "RunSpec") -> Iterator[Problem]:
    if spec.width.method != "progressive":
        for name in ("attempt_fraction", "layers_per_step", "select"):
            if getattr(spec.width, name) != type(spec.width).model_fields[name].default:
                yield f"width.{name}", f"width.{name} belongs to width.method progressive; give it with that"
    if spec.width.rank is not None:
        yield from _unused_rank(spec)
    if spec.width.least_share and spec.order == "layers":
        sentence = "width.least_share is of channels, and the order layers removes whole layers; take another order"
        yield "width.least_share", sentence


def _unused_rank(spec: "RunSpec") -> Iterator[Problem]:
    if spec.order == "layers":
        yield "width.rank", "width.rank is of channels, and the order layers removes whole layers; leave it out"
    elif spec.width.method == "progressive":
        yield "width.rank", "width.rank is of width.method one-shot; progressive has width.select"
    elif spec.width.scope == "uniform":
        sentence = "width.rank is of width.scope global; uniform cuts the same share of every layer, whatever it frees"
        yield "width.rank", sentence


def _unused_of_steps(spec: "RunSpec") -> Iterator[Problem]:
    if not any(map(spec.iterates, spec.phases())):
        for field, value in (
            ("recover.between_steps_batches", spec.recover.between_steps_batches),
            ("attempt.measure", spec.attempt.measure),
            ("attempt.race", spec.attempt.race),
        ):
            if value:
                yield field, f"{field} needs depth.method direct, width.method progressive or the order alternate"
    if not spec.recover.reconstruct:
        for name in ("calibration_images", "ridge"):
            if getattr(spec.recover, name) != type(spec.recover).model_fields[name].default:
                yield f"recover.{name}", f"recover.{name} is of reconstruction; give it with recover.reconstruct"
    if spec.recover.distil and not (spec.recover.epochs or spec.recover.between_steps_batches):
        yield "recover.distil", "recover.distil needs recover.epochs or recover.between_steps_batches above 0"


def _contradictions(spec: "RunSpec") -> Iterator[Problem]:
    yield from _blocks_only(spec, "criterion", spec.criterion)
    if spec.attempt.race and spec.attempt.measure in ("cka", "reconstruction"):
        yield (
            "attempt.race",
            "attempt.race needs a measure that is a mean over images: accuracy, loss or divergence, "
            f"not {spec.attempt.measure}",
        )
    if spec.order == "layers" and spec.depth.method == "direct":
        measured = criterion_of(spec.measure("layers"))
        if spec.criterion != measured:
            yield (
                "criterion",
                f"criterion {spec.criterion} has no part in direct removal alone, which measures "
                f"{spec.measure('layers')}; give {'that' if measured == spec.measure('layers') else measured} as the "
                "criterion",
            )


def _blocks_only(spec: "RunSpec", field: str, criterion: str) -> Iterator[Problem]:
    """A criterion of whole blocks where channels go, too."""
    names = [name for name in criterion.split("+") if catalog.CRITERIA[name].scope == "blocks"]
    if names and spec.order != "layers":
        yield (
            field,
            f"criterion {names[0]} scores whole blocks; take it with the order layers, "
            "or measure channels with width.method progressive",
        )


def _of_accuracy(spec: "RunSpec") -> Iterator[Problem]:
    """What does not go with an accuracy that is asked for, or only with one."""
    target = spec.target
    field = "target.lose" if target.lose is not None else "target.at_least"
    if not target.asks_accuracy:
        if not target.keep:
            yield "target.keep", f"target.keep must name 1 to {MOST_TARGETS} ratios to keep (got 0)"
        for name in ("also_criteria", "also_depth_shares"):
            if getattr(target, name):
                sentence = f"target.{name} is for an accuracy to keep; give it with target.lose or target.at_least"
                yield f"target.{name}", sentence
        return
    if target.lose is not None and target.at_least is not None:
        yield field, "target.lose and target.at_least each say what accuracy to keep; give one of them"
    if catalog.pair_of(spec.data.name):
        sentence = (
            f"{field} needs labelled validation images, which the target of {spec.data.name} has not; "
            "give target.keep in its place"
        )
        yield field, sentence
    if target.keep:
        yield field, f"{field} looks for the ratio by itself; give it in place of target.keep, not with it"
    if any(map(spec.iterates, spec.phases())):
        sentence = (
            f"{field} goes with methods that cut at once, as each try starts anew: take one-shot for layers and "
            "channels, and an order other than alternate"
        )
        yield field, sentence
    yield from _of_candidates(spec)


def _of_candidates(spec: "RunSpec") -> Iterator[Problem]:
    """Criteria and layers' shares that are tried besides the first."""
    target = spec.target
    ways = (1 + len(target.also_criteria)) * (1 + len(target.also_depth_shares))
    if ways > MOST_CANDIDATES:
        field = "target.also_criteria" if target.also_criteria else "target.also_depth_shares"
        sentence = (
            f"{field} makes {ways:,} pairs of a criterion and a layers' share; at most {MOST_CANDIDATES} are tried"
        )
        yield field, sentence
    for criterion in target.also_criteria:
        yield from _blocks_only(spec, "target.also_criteria", criterion)
    for name, first in (("also_criteria", spec.criterion), ("also_depth_shares", target.depth_share)):
        others = getattr(target, name)
        if len({first, *others}) <= len(others):
            yield f"target.{name}", f"target.{name} names one twice, or the one that is tried anyway; leave it out"
    if target.also_depth_shares and len(spec.phases()) < 2:
        sentence = f"target.also_depth_shares splits what goes between layers and channels; {spec.order} has one phase"
        yield "target.also_depth_shares", sentence


def untrained_head(classes: int) -> RequestError:
    """Why a head that nobody has trained is not pruned: the data's so many classes are not those of the weights."""
    return RequestError(
        "train.epochs 0 would leave the head untrained: it is new, as that of the weights is not of the data's "
        f"{classes:,} classes; give it epochs before pruning, {USUAL_HEAD_EPOCHS} are a usual few",
        field="train.epochs",
    )
