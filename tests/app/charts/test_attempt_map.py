from typing import Any

import pandas as pd
import pytest

from app import theme
from app.charts import attempt_map
from engine.spec.run import DepthSpec, RunSpec, TargetSpec, WidthSpec
from engine.storage.records.earlier import describe_attempts
from engine.storage.records.event import Attempts
from tests.support import runs

LAYERS = tuple(runs.WIDTHS)
BLOCKS = ("layer1.1", "layer2.2", "layer3.1")


def event(phase: str, keep: float, step: int, names: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return runs.attempts(phase, keep, step, names, **more)


def table(lines: list[dict[str, Any]], order: str, keep: tuple[float, ...] = (0.8, 0.6)) -> pd.DataFrame:
    """The attempts of a run of that order as the page has them."""
    spec = RunSpec.model_construct(
        order=order,
        target=TargetSpec(keep=keep),
        depth=DepthSpec(method="direct"),
        width=WidthSpec(method="progressive"),
    )
    return attempt_map.table(describe_attempts([Attempts.from_json(line) for line in lines], spec))


@pytest.fixture
def direct() -> pd.DataFrame:
    """Two targets of a first phase, two steps and one step long; what was removed is not attempted again."""
    events = [event("layers", 0.8, 1, BLOCKS), event("layers", 0.8, 2, BLOCKS[1:]), event("layers", 0.6, 1, BLOCKS[2:])]
    return table(events, "layers")


def heat(fig: Any) -> Any:
    return next(trace for trace in fig.data if trace.type == "heatmap")


def relative_luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_steps_of_a_first_phase_count_on_over_its_targets(direct: pd.DataFrame) -> None:
    assert set(direct["trajectory"]) == {"layers"}
    assert list(direct["at"]) == [1, 1, 1, 2, 2, 3]


def test_a_later_phase_has_a_trajectory_for_each_target() -> None:
    events = [event("channels", keep, step, ("conv1",)) for keep in (0.8, 0.6) for step in (1, 2)]
    attempts = table(events, "layers-channels")
    assert list(attempts["trajectory"]) == ["channels, 0.80×"] * 2 + ["channels, 0.60×"] * 2
    assert list(attempts["at"]) == [1, 2, 1, 2]


def test_a_step_that_was_done_again_counts_once() -> None:
    again = event("layers", 0.8, 1, BLOCKS[:1])
    assert len(table([event("layers", 0.8, 1, BLOCKS), again], "layers")) == 1


def test_rows_stand_in_order_of_depth_and_everything_at_once_comes_last() -> None:
    names = ["channels", "layer3.1", "conv1", "layer1.0.conv2", "layer1.0"]
    assert attempt_map.sort_by_depth(names, LAYERS) == ["conv1", "layer1.0", "layer1.0.conv2", "layer3.1", "channels"]


def test_the_first_block_is_not_taken_for_the_tenth() -> None:
    assert attempt_map.sort_by_depth(["b.10", "b.1"], ["b.0.conv", "b.1.conv", "b.10.conv"]) == ["b.1", "b.10"]


def test_the_map_has_a_column_for_each_step_and_marks_what_was_removed(direct: pd.DataFrame) -> None:
    fig = attempt_map.figure(direct, LAYERS, attempt_map.ColourUnit("accuracy", False), ink=theme.LIGHT)
    channel_groups = heat(fig)
    assert list(channel_groups.y) == list(BLOCKS) and list(channel_groups.x) == [1, 2, 3]
    assert channel_groups.z[0][0] == pytest.approx(-0.002) and pd.isna(channel_groups.z[0][1])
    (dots,) = [trace for trace in fig.data if trace.name == "removed"]
    assert list(zip(dots.x, dots.y, strict=True)) == list(zip([1, 2, 3], BLOCKS, strict=True))
    assert [shape.x0 for shape in fig.layout.shapes] == [2.5]


def test_the_colour_counts_what_is_saved_where_the_selection_did() -> None:
    attempts = table([event("channels", 0.8, 1, ("conv1", "layer1.0.conv1"))], "channels")
    plain, shared = (
        heat(attempt_map.figure(attempts, LAYERS, attempt_map.ColourUnit("loss", per_saving), ink=theme.DARK)).z[1][0]
        for per_saving in (False, True)
    )
    assert plain == pytest.approx(0.008) and shared == pytest.approx(0.008 / 4)


def test_channels_keep_their_row_when_fewer_layers_share_them() -> None:
    events = [event("channels", 0.8, step, (name,)) for step, name in ((1, "conv1 (+3)"), (2, "conv1 (+2)"))]
    fig = attempt_map.figure(table(events, "channels"), LAYERS, attempt_map.ColourUnit("loss", True), ink=theme.LIGHT)
    assert list(heat(fig).y) == ["conv1"]


def test_the_hover_tells_what_was_measured_before_and_after(direct: pd.DataFrame) -> None:
    text = heat(attempt_map.figure(direct, LAYERS, attempt_map.ColourUnit("accuracy", False), ink=theme.LIGHT)).text[1][
        0
    ]
    for part in ("layer2.2", "step 1 of 0.80×: stays", "90.2 % → 89.0 %", "0.400 → 0.420", "500 images", "saves 4 %"):
        assert part in text


def test_an_attempt_that_a_race_dropped_has_a_lower_bound() -> None:
    raced = event("layers", 0.8, 1, BLOCKS[:1])
    raced["attempts"][0]["total"] = 128
    fig = attempt_map.figure(
        table([raced], "layers"), LAYERS, attempt_map.ColourUnit("accuracy", False), ink=theme.LIGHT
    )
    text = heat(fig).text[0][0]
    assert "at least" in text and "128 images, then dropped" in text
    assert "accuracy" not in text  # of the hardest images only, and so not to be compared


def test_cka_has_no_counts_and_needs_none() -> None:
    plain = event("layers", 0.8, 1, BLOCKS, measure="cka", before={})
    for attempt in plain["attempts"]:
        for key in ("correct", "total", "loss", "divergence"):
            del attempt[key]
    attempts = table([plain], "layers")
    fig = attempt_map.figure(attempts, LAYERS, attempt_map.ColourUnit("cka", False), ink=theme.LIGHT)
    assert "images" not in heat(fig).text[0][0] and "1 − CKA" in heat(fig).text[0][0]
    assert not {"accuracy", "loss", "images", "channels"} & set(attempt_map.display_rows(attempts))


def test_the_table_begins_with_the_last_step(direct: pd.DataFrame) -> None:
    rows = attempt_map.display_rows(direct)
    assert list(rows["step"]) == [3, 2, 2, 1, 1, 1]
    assert "channels" not in rows and rows["removed"].sum() == 3


def test_the_description_counts_attempts_steps_and_removals(direct: pd.DataFrame) -> None:
    text = attempt_map.describe(direct)
    assert text.startswith("6 attempts in 3 steps, 3 of them removed") and "−0.002" in text


@pytest.mark.parametrize("ink", [theme.LIGHT, theme.DARK])
def test_every_colour_of_the_scale_stands_out_from_the_page_and_the_worst_most(
    direct: pd.DataFrame, ink: theme.Ink
) -> None:
    channel_groups = heat(attempt_map.figure(direct, LAYERS, attempt_map.ColourUnit("accuracy", False), ink=ink))
    paper = relative_luminance(ink.paper)
    light = [relative_luminance(colour) for _, colour in channel_groups.colorscale]
    contrasts = [(max(paper, one) + 0.05) / (min(paper, one) + 0.05) for one in light]
    assert min(contrasts) >= 3 and contrasts == sorted(contrasts)
