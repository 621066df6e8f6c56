"""The page Methods: cards, links to one, the demonstration that a slider moves, and the tour."""

import json

from app.methods import deck, demonstration
from engine.storage.store import Store
from tests.support.screen import app


def metrics(at: object) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def test_cards_the_demonstration_and_the_tour(results: Store) -> None:
    del results
    at = app("methods")
    assert {f"Open {card.title}" for card in deck.of_kind("Criteria")} <= {button.label for button in at.button}
    at.segmented_control(key="about").set_value("Orders").run()
    assert f"Open {deck.CARDS['alternate'].title}" in {button.label for button in at.button}

    at.button(key="open-alternate").click().run()
    assert at.query_params["method"] == "alternate" and "is not among them" in " ".join(m.value for m in at.markdown)
    at.query_params["method"] = "taylor"
    at.run()
    assert at.subheader[0].value == "Taylor" and at.latex
    shown = demonstration.load()
    layer = at.selectbox(key="demo-layer").value
    ranking = shown.rankings["taylor"][layer]
    slider = at.select_slider(key=f"demo-count-channel-{len(ranking.scores)}")
    assert [int(option) for option in slider.options] == list(ranking.counts)
    slider.set_value(ranking.counts[-1]).run()
    removal = ranking.removals[-1]
    assert metrics(at)["Channels that go"] == f"{removal.count} of {len(ranking.scores)}"
    assert metrics(at)["Right as cut"] == f"{100 * shown.share(removal.plain):.1f} %"
    charts = {chart.proto.id.rsplit("-", 1)[-1] for chart in at.get("plotly_chart")}
    assert len(charts) == 2 and all(json.loads(chart.proto.spec)["data"] for chart in at.get("plotly_chart"))

    at.query_params["method"] = "<b>nothing</b>"
    at.run()
    assert "There is no method named" in at.warning[0].value and not at.exception
    at.query_params["tour"] = "1"
    at.run()
    titles = []
    for _ in range(5):
        titles.append(at.subheader[0].value)
        at.button(key="tour-next").click().run()
    assert at.query_params["tour"] == "6" and titles[0] == "A network" and len(set(titles)) == 5
    at.button(key="tour-back").click().run()
    assert at.query_params["tour"] == "5"
    at.button(key="tour-card").click().run()
    assert at.query_params["method"] == "reconstruct" and "tour" not in at.query_params
    at.query_params["tour"] = "seven"
    at.run()
    assert "has the steps 1 to 6" in at.warning[0].value and not at.exception
