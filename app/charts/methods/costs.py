"""Accuracy against what goes, as cut and reconstructed: of one layer, and of whole experiments. Pure functions."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app import escape, format, text, theme
from app.methods.demonstration import Demonstration, Experiment, Ranking

STAGES: Mapping[str, tuple[str, str]] = {
    "plain": ("as cut", "-open"),
    "reconstructed": ("reconstructed", "-open-dot"),
    "recovered": ("after recovery", ""),
}
_LEGEND: dict[str, object] = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}


def of_layer(
    demonstration: Demonstration,
    ranking: Ranking,
    count: int,
    colour: str,
    what: str,
    *,
    ink: theme.Ink,
    height: int = 240,
) -> go.Figure:
    """Accuracy over how many go, as cut and reconstructed; every mark is a measurement. A line stands at `count`."""
    fig = go.Figure()
    macs = [format.ratio(removal.macs / demonstration.macs) for removal in ranking.removals]
    for stage in ("reconstructed", "plain"):
        words, symbol = STAGES[stage]
        fig.add_scatter(
            x=list(ranking.counts),
            y=[100 * demonstration.share(getattr(removal, stage)) for removal in ranking.removals],
            name=words,
            mode="lines+markers",
            line={"color": colour, "width": 2 if stage == "reconstructed" else 1.2},
            marker={"symbol": f"circle{symbol}", "size": 9, "line": {"width": 1.8}},
            customdata=macs,
            hovertemplate=f"%{{x}} {what}s go: %{{y:.1f}} % {words}, %{{customdata}} MACs<extra></extra>",
        )
    fig.add_hline(y=100 * demonstration.share(demonstration.correct), line=_baseline(ink))
    fig.add_vline(x=count, line={"color": ink.line, "width": 2, "dash": "dash"})
    _lay_out(fig, ink, height)
    fig.update_xaxes(title=f"{what}s that go", dtick=max(1, len(ranking.scores) // 8), tickformat="d")
    return fig


def of_experiments(
    demonstration: Demonstration,
    experiments: Sequence[Experiment],
    stages: Sequence[str],
    *,
    ink: theme.Ink,
    height: int = 280,
) -> go.Figure:
    """Accuracy over MACs; one line for each experiment and stage, from its targets to the untouched network."""
    fig, whole = go.Figure(), demonstration.correct
    for experiment in experiments:
        for stage in stages:
            words, filling = STAGES[stage]
            name = _name(experiment, experiments) if len(experiments) > 1 else words
            targets = sorted(experiment.targets, key=lambda target: target.macs)
            fig.add_scatter(
                x=[*(target.macs for target in targets), demonstration.macs],
                y=[100 * demonstration.share(right) for right in (*(getattr(t, stage) for t in targets), whole)],
                name=escape.html(name),
                mode="lines+markers",
                line={"color": theme.criterion_colour(experiment.criterion), "width": 2},
                marker={
                    "symbol": theme.ORDER_SYMBOLS.get(experiment.order, "circle") + filling,
                    "size": 11,
                    "line": {"width": 2},
                },
                hovertemplate=f"{escape.html(name)}: %{{y:.1f}} % at %{{x:.3~s}} MACs<extra></extra>",
            )
    fig.add_hline(y=100 * demonstration.share(demonstration.correct), line=_baseline(ink))
    _lay_out(fig, ink, height)
    fig.update_xaxes(title="MACs (multiply–accumulates)", tickformat="~s")
    return fig


def describe_layer(demonstration: Demonstration, ranking: Ranking, count: int, what: str) -> str:
    """What the chart says at `count`, in one sentence."""
    removal = ranking.removal(count)
    cut, refitted = (format.percent(demonstration.share(n)) for n in (removal.plain, removal.reconstructed))
    return f"Accuracy over how many {what}s go: with {count} gone {cut} as cut and {refitted} reconstructed."


def describe_experiments(demonstration: Demonstration, experiments: Sequence[Experiment], stage: str) -> str:
    """What the chart says at the smallest target, in one sentence."""
    keep = min(target.keep for target in experiments[0].targets)
    parts = [
        f"{_name(experiment, experiments)} "
        + format.percent(demonstration.share(getattr(experiment.target(keep), stage)))
        for experiment in experiments
    ]
    return f"Accuracy against MACs; at {format.ratio(keep)}: {', '.join(parts)}."


def _name(experiment: Experiment, experiments: Sequence[Experiment]) -> str:
    """What tells an experiment from the others: its criterion, or its order."""
    same = len({each.criterion for each in experiments}) == 1
    return text.order_label(experiment.order) if same else text.criterion_label(experiment.criterion)


def _baseline(ink: theme.Ink) -> dict[str, object]:
    return {"color": ink.line, "width": 1.2, "dash": "dash"}


def _lay_out(fig: go.Figure, ink: theme.Ink, height: int) -> None:
    fig.update_layout(
        height=height,
        margin={"l": 0, "r": 8, "t": 28, "b": 0},
        dragmode=False,
        uirevision="keep",
        showlegend=True,
        legend=_LEGEND | {"font": {"color": ink.line}},
    )
    fig.update_xaxes(fixedrange=True)
    fig.update_yaxes(fixedrange=True, ticksuffix=" %", range=[0, 102], nticks=6)
