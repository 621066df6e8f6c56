"""A comparison as JSON, Markdown and a picture: all of it there, and names as text whatever is in them."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from engine.comparison import diagram, markdown, report
from engine.comparison.analysis import Comparison
from engine.errors import RequestError
from tests.support.measured import compared, criteria

HOSTILE = "a|b <img src=x>\n*bold* [link](javascript:0)"


def several(**names: str) -> Comparison:
    rows = [
        row
        for target in ("0.7× MACs", "0.5× MACs")
        for row in criteria({"l1": [0.8, 0.82], "l2": [0.7, 0.73], "fpgm": [0.6, 0.64]}, target=target)
    ]
    return compared([replace(row, settings={**row.settings, **names}) for row in rows])


def test_the_json_document_has_everything_and_is_json() -> None:
    document = json.loads(json.dumps(report.document(several()), allow_nan=False))
    assert document["metric"] == "top1" and document["n"] == 2 and document["winner"] is None
    assert (document["by"], document["beside"]) == (["criterion"], [])
    assert [kind["settings"] for kind in document["kinds"]] == [{"criterion": name} for name in ("l1", "l2", "fpgm")]
    assert len(document["means"]) == 6 and len(document["pairs"]) == 3 and document["friedman"]["problems"] == 2
    assert document["means"][0]["t"][0] < document["means"][0]["mean"] and document["means"][0]["bootstrap"] == [
        None,
        None,
    ]
    assert {"p", "holm", "exact", "zeros", "tied"} == set(document["pairs"][0]["wilcoxon"])


def test_markdown_has_the_tables_and_no_mark_of_anybody_else() -> None:
    text = markdown.page(several(model=HOSTILE), HOSTILE)
    assert text.startswith("## a\\|b &lt;img src=x&gt; \\*bold\\* \\[link\\](javascript:0)\n")
    assert "<img" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6, 10, 3}
    assert "| l1 | 0.5× MACs | 2 | 81.00 ± 12.71 | – |" in rows


def test_the_diagram_joins_what_is_alike_and_is_xml() -> None:
    drawn = diagram.diagram(several())
    assert drawn.names == ("l1", "l2", "fpgm") and drawn.ranks == (1.0, 2.0, 3.0)
    assert drawn.bars == ((0, 2),)  # two problems are too few for Friedman's test
    assert diagram.lines(drawn) == ["  1.00  │  l1", "  2.00  │  l2", "  3.00  │  fpgm"]
    hostile = replace(drawn, names=("<script>&", "l2", "l3"), bars=((0, 1), (1, 2)))
    root = ElementTree.fromstring(diagram.svg(hostile))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<script>& 1.00" in texts and "critical difference 2.34" in texts
    bars = [element for element in root.iter() if element.get("class") == "bar"]
    assert len(bars) == 2


def test_without_ranks_there_is_no_diagram() -> None:
    with pytest.raises(RequestError, match="no critical-difference diagram"):
        diagram.diagram(compared(criteria({"l1": [0.8], "l2": [0.7]})))
