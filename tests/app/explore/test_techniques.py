"""Explore by technique: charts side by side in the place of one of all points, and a table at one cost."""

from typing import Any

from streamlit.testing.v1 import AppTest

from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, captions, chart


def made(results: Store, seeds: int = 3) -> None:
    """Two techniques and their 8-bit twins, a point each: the 8-bit ones lose 0.4 points."""
    for seed in range(seeds):
        for distil in (False, True):
            request: dict[str, Any] = {"criterion": "accuracy", "order": "layers", "depth": {"method": "direct"}}
            runs.stepwise(results, runs.spec(seed=seed, int8=True, recover={"distil": distil}, **request))


def titles(at: AppTest) -> list[str]:
    return [c.proto.id.rpartition("technique ")[2] for c in at.get("plotly_chart") if "technique " in c.proto.id]


def test_techniques_are_offered_where_there_are_several_and_take_the_charts_place(results: Store) -> None:
    runs.finished(results, runs.spec(criterion="l1"), files=False)
    assert "by_technique" not in {toggle.key for toggle in app().toggle}
    made(results)
    at = app()
    assert chart(at)["data"] and not at.toggle(key="by_technique").value
    at.toggle(key="by_technique").set_value(True).run()
    assert not at.exception
    assert titles(at) == ["Pruned", "Pruned + distilled", "Pruned + INT8", "Pruned + distilled + INT8", "key"]
    assert not any("tradeoff" in element.proto.id for element in at.get("plotly_chart"))
    assert "mean over the seeds" in captions(at) and "resnet20 on clutter" in captions(at)
    at.toggle(key="int8").set_value(False).run()
    assert titles(at) == ["Pruned", "Pruned + distilled", "key"]


def test_the_table_holds_each_technique_against_pruning_alone_within_one_cost(results: Store) -> None:
    made(results)
    at = app(by_technique="true", x="Size")
    (table,) = (each.value for each in at.table)
    assert list(table.index) == [
        "Untouched", "Pruned", "Pruned + distilled", "Pruned + INT8", "Pruned + distilled + INT8",
    ]  # fmt: skip
    columns = [name.replace("\\", "") for name in table.columns]
    assert columns == ["Top-1", "Size", "against pruned alone", "network", "seeds"]
    qualities = [cell.replace("\\", "") for cell in table.iloc[:, 0]]
    assert qualities == ["90.0 ± 0.0 %", *["83.0 ± 0.0 %"] * 2, *["85.6 ± 0.0 %"] * 2], "in 8 bit the larger one fits"
    changes = [cell.replace("\\", "") for cell in table.iloc[:, 2]]
    assert changes == ["", "", "+0.0 ± 0.0 points", *["+2.6 ± 0.0 points"] * 2]
    at.slider(key="most_bytes").set_value(100.0).run()
    assert not at.exception and "your bound" in " ".join(each.value for each in at.markdown)
    (table,) = (each.value for each in at.table)
    assert "none so cheap" in table.loc["Pruned"].tolist() and table.loc["Pruned + INT8"].iloc[0] != "–"


def test_every_axis_the_baselines_and_the_logarithms_can_be_drawn_by_technique(results: Store) -> None:
    made(results, seeds=1)
    runs.finished(results, runs.spec(model="resnet56"), files=False)
    at = app(by_technique="true", against="true", log="true", log_y="true", x="Latency", y="Loss")
    assert len(titles(at)) == 5 and "1 thread" in captions(at)
    assert "3 networks of other models, images or trainings left out" in captions(at)
    at.toggle(key="steps").set_value(True).run()
    assert not at.exception and len(titles(at)) == 5, "steps are on the way to what is compared"
