"""Explore of runs that carry networks from one domain to another: both accuracies are there, each with its name."""

import io

import pandas as pd
import pytest

from app import text
from app.charts import axes
from app.explore.table import table
from app.tables import points
from engine.spec import run as specs
from engine.spec.images.domains import Domains, shorten
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, chart, numbers

PAIR = {"data": {"name": "mnist5k>digits"}}


def heights(at: object) -> list[float]:
    return sorted(y for trace in chart(at)["data"] if trace.get("customdata") for y in numbers(trace["y"]))


def test_what_is_drawn_is_the_accuracy_on_the_target_and_says_so(results: Store) -> None:
    runs.carried_over(results, runs.spec(**PAIR))
    at = app()
    assert chart(at)["layout"]["yaxis"]["title"]["text"] == "top-1 accuracy on digits, the target"
    assert heights(at) == pytest.approx([63, 66, 70])
    names = [element.proto.alt for element in at.get("plotly_chart")]
    assert any(name.startswith("Top-1 on digits against MACs for 3 models") for name in names)


def test_accuracy_on_the_source_is_an_axis_where_a_run_has_it(results: Store) -> None:
    runs.finished(results, runs.spec(criterion="l1"))
    assert "Source top-1" not in app().selectbox(key="y").options
    runs.carried_over(results, runs.spec(**PAIR))
    at = app(y="Source top-1")
    assert chart(at)["layout"]["yaxis"]["title"]["text"] == "top-1 accuracy on mnist5k, the source"
    assert heights(at) == pytest.approx([86.5, 88, 90]), "the other run has no source"
    title = chart(app())["layout"]["yaxis"]["title"]["text"]
    assert title.endswith("the test split, the target's where there are two domains")
    assert "Source top-1" not in app(criterion="L1 norm").selectbox(key="y").options


def test_the_card_has_both_accuracies_beside_those_of_the_baseline(results: Store) -> None:
    run = runs.carried_over(results, runs.spec(**PAIR))
    metrics = {metric.label: (metric.value, metric.delta) for metric in app(point=f"{run.id}.2").metric}
    assert metrics["Top-1 on digits"] == ("63.0 %", "−7.0 points")
    assert metrics["Top-1 on mnist5k"] == ("86.5 %", "−3.5 points")


def test_details_table_and_csv_have_both_accuracies(results: Store) -> None:
    runs.carried_over(results, runs.spec(**PAIR))
    frame = points.with_latency(points.tidy(results.points()), None)
    lines = text.details(frame.iloc[2])
    assert any("on digits, the target: top-1 63.0 % (−7.0 points)" in line for line in lines)
    assert "on mnist5k, the source: top-1 86.5 % (−3.5 points) · validation 64.0 %" in lines
    assert list(table.display_rows(frame)["source top-1"]) == pytest.approx([90, 88, 86.5])
    rows = pd.read_csv(io.BytesIO(table.csv(frame, None)))
    assert list(rows["target_top1"]) == list(rows["top1"]) == pytest.approx([0.7, 0.66, 0.63])
    assert list(rows["source_top1"]) == pytest.approx([0.9, 0.88, 0.865])


def test_a_run_on_one_dataset_shows_nothing_of_domains(results: Store) -> None:
    run = runs.finished(results, runs.spec())
    frame = points.with_latency(points.tidy(results.points()), None)
    assert "source top-1" not in table.display_rows(frame) and not any(
        "the target" in line for line in text.details(frame.iloc[0])
    )
    at = app(point=f"{run.id}.2")
    assert at.metric[0].label == "Top-1"
    assert chart(at)["layout"]["yaxis"]["title"]["text"] == "top-1 accuracy on the test split"


def test_an_axis_is_named_after_the_one_domain_that_it_is_of() -> None:
    several = [Domains("a", "c"), Domains("b", "c")]
    assert axes.with_domain(axes.Y_AXES["loss"], several).title == "cross-entropy on c, the target"
    assert axes.with_domain(axes.Y_AXES["val_top1"], several).title.endswith("the source's where there are two domains")
    assert axes.with_domain(axes.Y_AXES["source_top1"], several) == axes.Y_AXES["source_top1"]
    assert axes.with_domain(axes.Y_AXES["top1"], [Domains("a")]) == axes.Y_AXES["top1"]


def test_both_halves_of_a_pair_are_told_from_others_in_few_words() -> None:
    names = ["npz:/x/a.npz>npz:/y/a.npz", "folder:/p/amazon>folder:/p/webcam", "digits", "digits>digits>digits"]
    labels = {name: each.label for name, each in shorten(names).items()}
    assert labels == {
        names[0]: "npz:x/a.npz>npz:y/a.npz",
        names[1]: "folder:amazon>folder:webcam",
        "digits": "digits",
        names[3]: names[3],
    }


def test_a_targets_name_is_shown_as_it_is(results: Store) -> None:
    runs.carried_over(results, specs.parse({"data": {"name": "digits>npz:/x/<b>*a*.npz"}}))
    at = app()
    assert "&lt;b&gt;*a*.npz, the target" in chart(at)["layout"]["yaxis"]["title"]["text"]
    assert at.metric[0].label == "Top-1 on npz:\\<b>\\*a\\*.npz"
