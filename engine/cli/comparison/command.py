"""Kinds of runs compared over their seeds: some runs, some groups, or a whole experiment."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.comparison import tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_to_read
from engine.comparison import diagram, report, store
from engine.comparison.analysis import Comparison, Question
from engine.comparison.markdown import page as markdown_page
from engine.comparison.metrics import LATENCY, METRICS
from engine.errors import RequestError
from engine.storage.atomic import atomic_write, behind_links

app = typer.Typer()
MetricName = Annotated[str, typer.Option("--metric", help=" | ".join(METRICS))]
At = Annotated[float | None, typer.Option("--at", help="one target alone, such as 0.5", show_default="all")]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="the settings that make a kind of run, such as criterion,order; the others are matched",
        show_default="all that differ",
    ),
]
Int8 = Annotated[bool, typer.Option("--int8", help="the 8-bit network of each target")]
Board = Annotated[
    str | None, typer.Option("--board", help="with --metric latency: measured there", show_default="this host")
]
Svg = Annotated[Path | None, typer.Option("--svg", help="the critical-difference diagram, into this file")]
Markdown = Annotated[Path | None, typer.Option("--markdown", help="everything as Markdown, into this file")]


@app.command()
def compare(
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="runs, each with its repetitions over seeds")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="a group, as `runs --json` has it; several")
    ] = None,
    metric: MetricName = "top1",
    at: At = None,
    by: By = None,
    int8: Int8 = False,
    board: Board = None,
    svg: Svg = None,
    markdown: Markdown = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Compare runs over their seeds: means with intervals, paired tests, ranks; and how many seeds are missing."""
    if not run_ids and not group:
        raise RequestError("compare takes ids of runs, or --group; `stats` takes the name of an experiment")
    found = store.of_runs(store_to_read(results), run_ids or (), group or (), _question(metric, at, by, int8, board))
    _answer(found, "Comparison", svg, markdown, as_json)


@app.command()
def stats(
    name: Annotated[str, typer.Argument(metavar="NAME", help="an experiment's name, or gallery")],
    metric: MetricName = "top1",
    at: At = None,
    by: By = None,
    int8: Int8 = False,
    board: Board = None,
    svg: Svg = None,
    markdown: Markdown = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The same for all runs of an experiment: the table of significance of a sweep."""
    found = store.of_experiment(store_to_read(results), name, _question(metric, at, by, int8, board))
    _answer(found, name, svg, markdown, as_json)


def _question(metric: str, at: float | None, by: str | None, int8: bool, board: str | None) -> Question:
    if board is not None and metric != LATENCY:
        raise RequestError("--board says where a latency was measured; take it with --metric latency")
    return Question(metric, at, tuple(by.split(",")) if by else (), int8, board)


def _answer(found: Comparison, title: str, svg: Path | None, markdown_file: Path | None, as_json: bool) -> None:
    picture = diagram.svg(diagram.diagram(found)) if svg is not None else ""
    page = markdown_page(found, title) if markdown_file is not None else ""
    for path, content in ((svg, picture), (markdown_file, page)):
        if path is not None:
            with atomic_write(behind_links(path)) as part:
                part.write_text(content, encoding="utf-8")
    answer(report.document(found), as_json, lambda _: tables.comparison(found))
