"""A card at work on the small network: scores and a threshold that moves, or what orders and recovery came to.

Everything is read from what was measured before; no number between two measurements is made up.
"""

from collections.abc import Sequence

import streamlit as st

from app import format, text, theme
from app.charts import skyline
from app.charts.methods import costs, scores
from app.methods import demonstration
from app.methods.card import Card
from app.methods.demonstration import BLOCKS, Demonstration, Experiment, Ranking

_USUAL_CRITERION, _CRITERION_OF = "bn_scale", {"direct": "accuracy"}  # where a card is of no criterion
_CONFIG = {"displayModeBar": False}
_EXPERIMENT = ("taylor", "layers-channels")
NOT_MEASURED = {  # orders
    "alternate": "it takes many small steps.",
    "channels-layers": "in a plain chain of layers like this one, no block may go any more once its input and output "
    "differ in width. Networks with shortcuts have no such limit.",
}


def show(card: Card) -> None:
    """What suits the card."""
    shown = demonstration.load()
    with st.container(border=True, gap="small"):
        if card.kind == "Orders":
            _show_order(shown, card)
        elif card.kind == "Reconstruction and recovery":
            _show_stages(shown)
        else:
            _show_ranking(card.name)
        st.caption(
            f"A network of {len(shown.layers)} convolutions, trained on {shown.data} for {shown.training_epochs} "
            f"epochs. Accuracies are of {shown.validation_images} validation images, reconstruction looked at "
            f"{shown.calibration_images:,} training images, and everything was measured beforehand."
        )


@st.fragment
def _show_ranking(name: str) -> None:
    """The histogram, the slider and what it comes to; only this part of the page runs anew when they move."""
    shown = demonstration.load()
    st.markdown("**At work on a small network**")
    with st.container(horizontal=True, gap="small"):
        criterion = st.selectbox(
            "Criterion",
            list(shown.rankings),
            index=list(shown.rankings).index(criterion_of(name, shown)),
            format_func=text.criterion_label,
            key=f"demo-criterion-{name}",
        )
        places = list(shown.rankings[criterion])
        place = places[0]
        if place != BLOCKS:
            place = st.selectbox(
                "Layer",
                places,
                index=len(places) // 2,
                format_func=lambda each: layer_label(shown, each),
                key="demo-layer",
            )
    ranking = shown.rankings[criterion][place]
    what = "block" if place == BLOCKS else "channel"
    count = st.select_slider(
        f"How many {what}s go, the lowest scores first",
        ranking.counts,
        value=ranking.counts[len(ranking.counts) // 3],
        key=f"demo-count-{what}-{len(ranking.scores)}",
    )
    _show_removal(shown, criterion, place, count)


def _show_removal(shown: Demonstration, criterion: str, place: str, count: int) -> None:
    ranking, ink, colour = shown.rankings[criterion][place], theme.ink(), theme.criterion_colour(criterion)
    what = "block" if place == BLOCKS else "channel"
    _show_metrics(shown, ranking, count, what)
    left, right = st.columns(2, gap="small")
    with left:
        st.plotly_chart(
            scores.figure(ranking, count, colour, what, ink=ink),
            key="demo-scores",
            config=_CONFIG,
            alt=scores.describe(ranking, count, what),
        )
    with right:
        st.plotly_chart(
            costs.of_layer(shown, ranking, count, colour, what, ink=ink, height=260),
            key="demo-costs",
            config=_CONFIG,
            alt=costs.describe_layer(shown, ranking, count, what),
        )
    bars = bars_without(shown, place, ranking, count)
    st.image(skyline.svg(bars, colour, width=420, height=50), width="stretch", alt=skyline.describe(bars))


def _show_metrics(shown: Demonstration, ranking: Ranking, count: int, what: str) -> None:
    removal = ranking.removal(count)
    base = shown.share(shown.correct)
    numbers = [
        (f"{what.capitalize()}s that go", f"{count} of {len(ranking.scores)}", None),
        ("MACs", format.si(removal.macs), format.ratio(removal.macs / shown.macs)),
        *(
            (label, format.percent(shown.share(right)), format.percentage_points(shown.share(right), base))
            for label, right in (("Right as cut", removal.plain), ("Reconstructed", removal.reconstructed))
        ),
    ]
    with st.grid(4, gap="small", min_column_width=110):
        for label, value, change in numbers:
            st.metric(label, value, change, delta_color="off", delta_arrow="off")


def _show_order(shown: Demonstration, card: Card) -> None:
    ink = theme.ink()
    criterion = _EXPERIMENT[0]
    experiments = [each for each in shown.experiments if each.criterion == criterion]
    st.markdown("**Orders at work on a small network**")
    st.plotly_chart(
        costs.of_experiments(shown, experiments, ["recovered"], ink=ink),
        key="demo-orders",
        config=_CONFIG,
        alt=costs.describe_experiments(shown, experiments, "recovered"),
    )
    st.markdown(
        "This network is a plain chain, which misses whole layers badly. Networks with shortcuts, such as the ResNets "
        "on Explore, can do without more of theirs."
    )
    own = [each for each in experiments if each.order == card.name]
    if not own:
        measured = ", ".join(text.order_label(each.order) for each in experiments)
        st.markdown(f"Measured here: {measured}. {card.title} is not among them: {NOT_MEASURED[card.name]}")
    for each in own:
        _show_targets(shown, each)


def _show_targets(shown: Demonstration, experiment: Experiment) -> None:
    colour = theme.criterion_colour(experiment.criterion)
    for target in experiment.targets:
        bars = skyline.bars(shown.widths_at(target), target.removed)
        shares = (format.percent(shown.share(n)) for n in (target.plain, target.reconstructed, target.recovered))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{format.ratio(target.macs / shown.macs)}**", width=52)
            st.image(skyline.svg(bars, colour, width=190, height=44), width=190, alt=skyline.describe(bars))
            st.caption("as cut {}, reconstructed {}, recovered {}".format(*shares), width="stretch")


def _show_stages(shown: Demonstration) -> None:
    experiment = shown.experiment(*_EXPERIMENT)
    st.markdown("**What each step gives back, on a small network**")
    st.plotly_chart(
        costs.of_experiments(shown, [experiment], list(costs.STAGES), ink=theme.ink()),
        key="demo-stages",
        config=_CONFIG,
        alt=costs.describe_experiments(shown, [experiment], "recovered"),
    )
    st.markdown(
        f"Cut by {text.criterion_label(experiment.criterion)}, {text.order_label(experiment.order)}. "
        f"Recovery is fine-tuning on {shown.recovery_images:,} images with labels, after the reconstruction."
    )


def criterion_of(name: str, shown: Demonstration) -> str:
    """The criterion that a card is shown at work with."""
    wanted = _CRITERION_OF.get(name, name)
    return wanted if wanted in shown.rankings else _USUAL_CRITERION


def layer_label(shown: Demonstration, name: str) -> str:
    """A layer by its number and width."""
    number, layer = next((n, each) for n, each in enumerate(shown.layers, start=1) if each.name == name)
    return f"{number} of {len(shown.layers)}, {layer.width} channels"


def bars_without(shown: Demonstration, place: str, ranking: Ranking, count: int) -> Sequence[skyline.Bar]:
    """The network's skyline without the `count` lowest channels of a layer, or the lowest blocks."""
    if place == BLOCKS:
        return skyline.bars(shown.widths(), [shown.blocks[number] for number in sorted(ranking.lowest(count))])
    return skyline.bars(shown.widths({place: len(ranking.scores) - count}))
