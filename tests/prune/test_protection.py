"""What a request keeps, stays: at every target that is met, by every method, in every spelling of a name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.graph.summary import ModelSummary
from engine.prune.forecast import forecast
from engine.prune.protection import protection
from engine.spec.run import parse
from tests.prune.test_solver import SHEETS, sheets

SHARES = st.one_of(st.just(1.0), st.floats(0.01, 1).map(lambda share: round(share, 3)))
METHODS = [
    {"order": order, "width": width}
    for order in ("channels", "layers-channels", "channels-layers", "layers", "alternate")
    for width in ({"method": "one-shot"}, {"method": "one-shot", "scope": "uniform", "round_to": 8})
] + [{"order": "channels", "width": {"method": "progressive"}}]


def text(pattern: str, share: float) -> str:
    return pattern if share == 1 else f"{pattern}={share}"


@settings(max_examples=80, deadline=None)
@given(summary=sheets, share=SHARES, keep=st.floats(0.2, 1), method=st.sampled_from(METHODS), data=st.data())
def test_every_layer_that_is_named_keeps_its_share_at_every_target_that_is_met(
    summary: ModelSummary, share: float, keep: float, method: dict[str, object], data: st.DataObject
) -> None:
    layer = data.draw(st.sampled_from(summary.layers), "layer")
    request = {**method, "model": summary.model, "criterion": "l1", "target": {"keep": [keep]}}
    if method["order"] in ("layers", "channels-layers") and not any(b.removable for b in summary.blocks):
        return
    try:
        (got,) = forecast(summary, parse({**request, "keep_layers": [text(layer.name, share)]}))
    except RequestError as error:
        assert error.field in ("target.keep", "order"), error
        return
    if layer.kind != "linear":
        original, kept = got.widths[layer.name]
        assert kept >= share * original
    assert not [b.name for b in summary.blocks if b.name in got.removed and layer.name in b.layers]


@pytest.mark.parametrize("pattern", ["layer1", "layer1.*", "layer[1]*", "layer1.[01]*", "layer1.0"])
def test_a_name_stands_for_what_lies_inside_and_stars_for_any_text(pattern: str) -> None:
    stays = protection(SHEETS["resnet20"], [pattern])
    named = {"layer1.0", "layer1.1", "layer1.2"} if pattern not in ("layer1.0", "layer1.[01]*") else {"layer1.0"}
    named |= {"layer1.1"} if pattern == "layer1.[01]*" else set()
    assert stays.blocks == named
    groups = SHEETS["resnet20"].channel_groups
    full = {layer for group, count in stays.least.items() if count for layer in groups[group].producers}
    assert {f"{block}.conv1" for block in named} <= full
    assert not {layer for layer in full if layer.startswith(("layer2", "layer3"))}


def test_where_several_rules_name_a_layer_the_largest_share_counts() -> None:
    summary = SHEETS["resnet20"]
    inner = next(n for n, g in enumerate(summary.channel_groups) if g.producers == ("layer3.1.conv1",))
    rules = ["layer3=0.25", "layer3.1.conv1=0.5", "*conv1=0.1"]
    assert protection(summary, rules).least[inner] == protection(summary, rules[::-1]).least[inner] == 32
    assert protection(summary, rules, 0.75).least[inner] == 48


def test_shares_are_of_the_baselines_widths_however_small_the_network_is_by_now() -> None:
    summary = SHEETS["resnet20"]
    inner = next(n for n, g in enumerate(summary.channel_groups) if g.producers == ("layer3.1.conv1",))
    original = {layer.name: 2 * layer.width for layer in summary.layers}
    assert protection(summary, ["layer3.1.conv1=0.4"], original=original).least[inner] == 52
    assert protection(summary, ["layer3.1.conv1"], original=original).least[inner] == 64, "no more than there are"


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (["layer9"], r"keep_layers has 'layer9', which names no layer and no block of resnet20; did you mean"),
        (["conv1", "layer1.3.conv1"], r"has 'layer1\.3\.conv1', which names .*; did you mean layer1\.\d\.conv1"),
        (["Conv1"], "did you mean conv1"),
        (["xyzzy*=0.5"], "its layers are conv1, layer1.0.conv1, layer1.0.conv2, …"),
    ],
)
def test_a_rule_that_names_nothing_is_refused_with_the_nearest_names(rules: list[str], sentence: str) -> None:
    for metric in ("macs", "latency"):
        with pytest.raises(RequestError, match=sentence) as refused:
            forecast(SHEETS["resnet20"], parse({"keep_layers": rules, "target": {"metric": metric}}))
        assert refused.value.field == "keep_layers"


def test_a_target_that_the_rules_rule_out_is_refused_with_what_remains() -> None:
    summary = SHEETS["resnet20"]
    request = {"order": "channels", "criterion": "l1", "keep_layers": ["layer[12]*", "layer3=0.5"]}
    with pytest.raises(RequestError) as refused:
        forecast(summary, parse({**request, "target": {"keep": [0.1]}}))
    assert str(refused.value).endswith("channels as it may, with 'layer[12]*,layer3=0.5' kept")
    least = float(str(refused.value).split("at least ")[1].split("×")[0])
    (met,) = forecast(summary, parse({**request, "target": {"keep": [least]}}))
    assert met.macs <= least * CostModel(summary)().macs


def test_blocks_of_which_none_may_go_are_no_order_of_their_own() -> None:
    with pytest.raises(RequestError, match="has no removable block that keep_layers leaves; use the order channels"):
        forecast(SHEETS["resnet20"], parse({"order": "layers", "criterion": "l1", "keep_layers": ["layer*=0.1"]}))
