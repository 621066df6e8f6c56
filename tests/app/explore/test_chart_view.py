"""What a click on the chart of Explore leaves as it is: the figure, and with it the zoom."""

from engine.spec import run as specs
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, chart


def test_the_figure_is_the_same_whatever_is_selected_and_follows_its_legend(results: Store) -> None:
    """A figure that changes is a new element, in which the user's zoom is lost."""
    run = runs.finished(results, specs.parse({"criterion": "l1"}))
    runs.finished(results, specs.parse({"criterion": "taylor"}), loss=0.1)
    at = app(point=f"{run.id}.2")
    element = next(c.proto for c in at.get("plotly_chart") if "tradeoff" in c.proto.id)
    at.query_params["point"] = f"{run.id}.4"
    at.run()
    assert element.id == next(c.proto for c in at.get("plotly_chart") if "tradeoff" in c.proto.id).id
    at.session_state["tradeoff_hidden"] = ("l1", "no such")
    at.run()
    assert not at.exception
    groups = {trace.get("legendgroup") for trace in chart(at)["data"] if trace.get("customdata")}
    assert groups == {None, "taylor"}
    at.toggle(key="against").set_value(True).run()
    at.toggle(key="log_y").set_value(True).run()
    assert not at.exception and chart(at)["layout"]["yaxis"]["title"]["text"].startswith("drop of top-1")
