"""Plotly's code without the kinds of traces that no page draws."""

import re
from pathlib import Path

import pytest
from streamlit import file_util

from app.charts.drawing import Drawing
from app.frontend import script_of_charts
from app.plotly_code import KINDS, with_few_kinds

WHOLE = Path(file_util.get_static_dir()) / script_of_charts().removeprefix("/")
SMALL = """var a=1,core=_({"lib/core.js"(e,t){t.exports={register(){},s:scatter()}}}),scatter=_({"src/scatter.js"(e){
e.x=`${"}"+`}`}`;if(/[}/]"/.test(e))return"}})," }}),bar=_({"lib/bar.js"(e,t){t.exports=shared()}}),
shared=_({"src/shared.js"(){}}),heat=_({"lib/heatmap.js"(){shared();esm()}}),gl=_({"lib/scattergl.js"(){outside()}});
function outside(){kept()}var kept=_({"src/kept.js"(){}}),esm=g({"src/esm.js"(){"}}),"}}),
map=_({"lib/map.js"(e,t){maplibre();return{a:"}}),"}}}),maplibre=_({"src/maplibre.js"(){alert("}")}});
return _({"lib/index.js"(e,t){var n=core();n.register([bar(),heat(),map(),gl()]),t.exports=n}})()"""


def test_a_part_that_nothing_of_what_is_drawn_asks_for_is_left_empty() -> None:
    made = with_few_kinds(SMALL)
    assert 'map=_({"lib/map.js"(e,t){}})' in made and 'maplibre=_({"src/maplibre.js"(){}})' in made
    assert "n.register([gl(),bar(),heat()])" in made
    same = SMALL.replace("bar(),heat(),map(),gl()", "gl(),bar(),heat()").replace('{maplibre();return{a:"}}),"}}', "{}")
    assert made == same.replace('{alert("}")}', "{}")


@pytest.mark.parametrize(
    "script",
    [
        "",
        "draw()",
        'a=_({"lib/core.js"(){',
        SMALL.replace("lib/bar", "lib/pie"),
        SMALL.replace("register", "add"),
    ],
)
def test_a_script_that_is_laid_out_in_another_way_stays_as_it_is(script: str) -> None:
    assert with_few_kinds(script) == script


def test_what_is_left_of_streamlits_is_a_script_of_less_than_half_the_size() -> None:
    whole = WHOLE.read_text(encoding="utf-8")
    made = with_few_kinds(whole)
    assert len(made) < 0.45 * len(whole)
    assert len(re.findall(r"=[_g]\(\{\"[^\"]+\"\([^)]*\)\{\}\}\)", made)) > 500, "empty parts"


@pytest.mark.parametrize("kind", ["pie", "contour", "scatter3d"])
def test_a_figure_with_traces_of_another_kind_is_none(kind: str) -> None:
    figure = Drawing()
    figure.add_traces([{"type": name} for name in KINDS])
    figure.checked()
    figure.add_traces([{"type": kind}])
    with pytest.raises(ValueError, match=f"no page can draw {kind}"):
        figure.checked()
