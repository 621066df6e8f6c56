"""The six steps of the tour, each with what it says and its picture, from what was measured. Pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from plotly.basedatatypes import BaseFigure

from app import format, text, theme
from app.charts import skyline
from app.charts.methods import costs, scores
from app.methods.demonstration import Demonstration, Target
from app.theme import Ink

CRITERION, ORDER, OTHER_ORDER, KEEP = "taylor", "layers-channels", "channels", 0.5
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class Picture:
    """A figure with what it shows, for those who cannot see it, and a line below it."""

    figure: BaseFigure
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Step:
    """A step of the tour; `card` is the one that says more."""

    title: str
    text: str
    pictures: tuple[Picture, ...]
    card: str = ""


def network(shown: Demonstration, ink: Ink) -> Step:
    """What is to be made smaller."""
    bars = skyline.bars(shown.widths())
    return Step(
        "A network",
        "Each bar is one convolution of a small network, from the first to the last, and its height goes with how "
        f"many channels it has. Trained on {shown.training_images:,} images of digits, it has {shown.correct} of "
        f"{shown.validation_images} other images right: **{_percent(shown, shown.correct)}**. Every image costs it "
        f"**{format.si(shown.macs)} MACs**, multiplications with an addition. Can it do with fewer?",
        (Picture(skyline.figure(bars, ink.line, height=180), skyline.describe(bars)),),
    )


def criterion(shown: Demonstration, ink: Ink) -> Step:
    """What matters least."""
    layer = list(shown.rankings[CRITERION])[1]
    ranking = shown.rankings[CRITERION][layer]
    count = ranking.counts[len(ranking.counts) // 2]
    colour = theme.criterion_colour(CRITERION)
    return Step(
        "A criterion",
        "Which channels matter least? A *criterion* gives each a score. Here are those of the "
        f"{len(ranking.scores)} channels of one layer by {text.criterion_label(CRITERION)}, which follows the slope of "
        f"the loss. Left of the dashed line are the {count} lowest: they would go first.",
        (
            Picture(
                scores.figure(ranking, count, colour, "channel", ink=ink), scores.describe(ranking, count, "channel")
            ),
        ),
        CRITERION,
    )


def order(shown: Demonstration, _: Ink) -> Step:
    """Whole layers, channels, or both."""
    targets = {name: shown.experiment(CRITERION, name).target(KEEP) for name in (ORDER, OTHER_ORDER)}
    return Step(
        "An order",
        "Whole layers can go, or channels, or first the one and then the other: that is the *order*. Both networks "
        "here keep about half of the MACs, and they are different networks. Hatched layers are gone, and of the others "
        "the filled part is what stays.",
        tuple(_skyline(shown, name, target) for name, target in targets.items()),
        ORDER,
    )


def cut(shown: Demonstration, ink: Ink) -> Step:
    """What goes, goes for good."""
    experiment = shown.experiment(CRITERION, ORDER)
    target = experiment.target(KEEP)
    return Step(
        "The cut",
        f"Now the network is cut: the weights of what goes are taken out of it, and it really is smaller, "
        f"{format.si(target.macs)} MACs in place of {format.si(shown.macs)}. But what is left was never trained to do "
        f"without the rest, and it shows: **{_percent(shown, target.plain)}** right in place of "
        f"{_percent(shown, shown.correct)}.",
        (
            Picture(
                costs.of_experiments(shown, [experiment], ["plain"], ink=ink),
                costs.describe_experiments(shown, [experiment], "plain"),
            ),
        ),
        "one-shot",
    )


def repair(shown: Demonstration, ink: Ink) -> Step:
    """What can be had back."""
    experiment = shown.experiment(CRITERION, ORDER)
    target = experiment.target(KEEP)
    return Step(
        "Reconstruct and recover",
        "*Reconstruction* looks at images without labels and gives the layers that are left the weights that come "
        f"nearest to what the whole network computed: seconds, and **{_percent(shown, target.reconstructed)}** right. "
        f"*Recovery* then trains on, here with {shown.recovery_images:,} labelled images: "
        f"**{_percent(shown, target.recovered)}**.",
        (
            Picture(
                costs.of_experiments(shown, [experiment], list(costs.STAGES), ink=ink),
                costs.describe_experiments(shown, [experiment], "recovered"),
            ),
        ),
        "reconstruct",
    )


def measure(shown: Demonstration, ink: Ink) -> Step:
    """Which way was the best?"""
    experiments = [each for each in shown.experiments if each.order == ORDER]
    share = shown.share(shown.correct)
    chance = _NORMAL_95 * sqrt(share * (1 - share) / shown.validation_images)
    return Step(
        "Measure and compare",
        "The same with other criteria, one line each: further left is cheaper, further up is better. *Random* is the "
        f"control, and what does no better than it has found nothing. With {shown.validation_images} images each mark "
        f"may be {100 * chance:.1f} points off by chance alone, so look for larger differences, or repeat with other "
        "seeds.",
        (
            Picture(
                costs.of_experiments(shown, experiments, ["recovered"], ink=ink),
                costs.describe_experiments(shown, experiments, "recovered"),
            ),
        ),
        "random",
    )


STEPS: Sequence[Callable[[Demonstration, Ink], Step]] = (network, criterion, order, cut, repair, measure)


def _skyline(shown: Demonstration, name: str, target: Target) -> Picture:
    bars = skyline.bars(shown.widths_at(target), target.removed)
    return Picture(
        skyline.figure(bars, theme.criterion_colour(CRITERION), height=110),
        skyline.describe(bars),
        f"{text.order_label(name)}: {format.si(target.macs)} MACs, {_percent(shown, target.recovered)} after recovery",
    )


def _percent(shown: Demonstration, images: int) -> str:
    return format.percent(shown.share(images))
