import pytest

from app.charts import skyline
from tests.support import runs


def test_a_bar_a_convolution_in_order_of_depth() -> None:
    bars = skyline.bars(runs.widths(0.5))
    assert [bar.name for bar in bars] == list(runs.WIDTHS)
    assert [bar.at for bar in bars] == sorted(bar.at for bar in bars)


def test_the_filling_is_the_share_of_channels_kept() -> None:
    (bar,) = skyline.bars({"conv1": [16, 4]})
    assert bar.share == 0.25


def test_layers_of_a_removed_block_are_hatched_and_empty() -> None:
    bars = {bar.name: bar for bar in skyline.bars(runs.widths(0.5, ("layer1.1",)), ["layer1.1"])}
    assert bars["layer1.1.conv1"].removed and bars["layer1.1.conv1"].share == 0
    assert not bars["layer1.0.conv1"].removed
    picture = skyline.svg(tuple(bars.values()), "#009E73")
    assert picture.count('fill="url(#gone)"') == 2


def test_in_letters_each_convolution_is_as_high_as_its_share_and_a_removed_one_is_a_dot() -> None:
    widths = {"conv1": (16, 16), "layer1.0.conv1": (16, 8), "layer1.1.conv1": (16, 16), "layer2.0.conv1": (32, 1)}
    assert skyline.lines(skyline.bars(widths, ["layer1.1"])) == ["█ ▄· ▁"]
    deep = {f"layer{stage}.{n}.conv1": (8, 8) for stage in (1, 2, 3) for n in range(25)}
    assert [len(line) for line in skyline.lines(skyline.bars(deep))] == [25, 25, 25] and skyline.lines(()) == []


def test_a_block_whose_name_begins_alike_is_not_hatched() -> None:
    bars = skyline.bars({"layer1.10.conv1": [8, 8]}, ["layer1.1"])
    assert not bars[0].removed


def test_stages_are_set_apart_by_a_gap() -> None:
    at = {bar.name: bar.at for bar in skyline.bars(runs.widths(1.0))}
    assert at["layer1.0.conv2"] - at["layer1.0.conv1"] == pytest.approx(1)
    assert at["layer2.0.conv1"] - at["layer1.2.conv2"] > 1.4


@pytest.mark.parametrize(
    ("layer", "stage"),
    [
        ("conv1", "conv1"),
        ("layer1.0.conv1", "layer1"),
        ("features.denseblock2.denselayer1.conv1", "denseblock2"),
        ("features.3.conv.0", "features"),
        ("Mixed_5b.branch1x1.conv", "Mixed_5b"),
    ],
)
def test_the_stage_is_read_from_the_name(layer: str, stage: str) -> None:
    assert skyline.stage_of(layer) == stage


def test_the_description_counts_layers_and_channels() -> None:
    bars = skyline.bars({"a": [8, 4], "b.c": [8, 0]}, ["b"])
    assert skyline.describe(bars) == "Skyline: 1 of 2 convolutions and 4 of 16 channels are kept."


def test_the_chart_draws_the_same_bars() -> None:
    bars = skyline.bars(runs.widths(0.5, ("layer1.1",)), ["layer1.1"])
    filled, outline, *keys = skyline.figure(bars, "#009E73").checked().data
    assert [key.name for key in keys] == ["kept", "cut", "block removed"]
    assert list(outline.marker.pattern.shape).count("/") == 2
    assert [y / h for y, h in zip(filled.y, outline.y, strict=True)] == pytest.approx([bar.share for bar in bars])
