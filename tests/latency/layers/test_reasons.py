"""Why a pruned network is not faster, by profiles that were made up: each layer has one reason, and costs add up."""

from dataclasses import replace

import pytest

from engine.latency.layers.reasons import explain, preferred_multiple
from engine.storage.timings.layers import LayerProfile
from tests.support.layer_times import pair, profile, row


def test_time_above_the_share_of_the_macs_is_what_a_reason_costs_and_all_of_it_has_one() -> None:
    two = pair("20260131-095959-0a1b2c3d", 4)
    found = explain(
        two.untouched, two.pruned, {"conv1": 100, "layer1.0.conv1": 300}, {"conv1": 100, "layer1.0.conv1": 150}
    )
    widths, copies = found.reasons
    assert (widths.cause, widths.layers, copies.cause) == ("widths", ("layer1.0.conv1",), "copies")
    assert widths.ms == pytest.approx(0.5 - 0.4 * 0.5) and copies.ms == pytest.approx(0.1)
    assert widths.share == pytest.approx(0.3 / 0.8)
    assert "no multiples of 8, such as 7" in widths.sentence
    by_macs = sum(layer.expected for layer in found.account.layers)
    assert by_macs + widths.ms + copies.ms == pytest.approx(found.account.ms)
    assert found.answer == (
        "0.62× the MACs take 1.36× the time (0.550 ms → 0.750 ms), where the MACs alone would leave 0.344 ms."
    )
    assert found.round_to == 8


def test_a_network_as_fast_as_its_macs_has_no_reason() -> None:
    before, after = profile([row("a", 1.0, width=(16, 16))]), profile([row("a", 0.5, width=(16, 8))])
    found = explain(before, after, {"a": 200}, {"a": 100})
    assert found.reasons == () and found.round_to is None
    assert found.answer.endswith("it is as fast as its MACs promise.")


def test_widths_that_were_odd_before_pruning_are_no_reason_and_what_hardly_gets_faster_is_depth() -> None:
    before = profile([row("a", 1.0, width=(3, 16)), row("b", 1.0, width=(16, 16)), row("c", 1.0, width=(16, 16))])
    after = profile([row("a", 1.0, width=(3, 8)), row("b", 0.9, width=(8, 8)), row("c", 0.6, width=(8, 16))])
    found = explain(before, after, dict.fromkeys("abc", 200), dict.fromkeys("abc", 100))
    (depth,) = found.reasons
    assert depth.cause == "depth" and depth.layers == ("a", "b")  # c lost 40 % of its time with 50 % of its MACs
    assert depth.ms == pytest.approx(0.5 + 0.4) and "goes only with whole blocks" in depth.sentence
    assert found.round_to is None


def test_the_width_that_is_named_is_one_that_pruning_left_and_no_count_of_colours() -> None:
    before, after = profile([row("conv1", 1.0, width=(3, 16))]), profile([row("conv1", 1.0, width=(3, 13))])
    (widths,) = explain(before, after, {"conv1": 200}, {"conv1": 160}).reasons
    assert "no multiples of 8, such as 13:" in widths.sentence


def test_layers_with_few_macs_for_each_byte_wait_for_memory() -> None:
    """The best of both profiles is 100 MACs and 20 bytes a ms, so a layer below 5 MACs a byte is bound by memory."""
    before = profile([row("wide", 1.0, width=(8, 8), bytes=10), row("thin", 2.0, width=(16, 16), bytes=40)])
    after = profile([row("wide", 1.0, width=(8, 8), bytes=10), row("thin", 2.0, width=(16, 8), bytes=40)])
    found = explain(before, after, {"wide": 100, "thin": 60}, {"wide": 100, "thin": 30})
    (memory,) = found.reasons
    assert memory.cause == "memory" and memory.layers == ("thin",) and "fewer than 5.0 MACs" in memory.sentence


def test_time_without_a_name_and_layers_that_ran_as_one_are_told_apart_from_all_others() -> None:
    one = replace(row("a + b", 1.0), layers=("a", "b"))
    before = profile([one, row("act", 0.1, "operation")], tool="trtexec", host=None, vector=None, precision="fp16")
    after = profile([one, row("?", 0.5, "unknown"), row("act", 0.4, "operation")], tool="trtexec", precision="fp16")
    found = explain(before, after, {"a": 10, "b": 10}, {"a": 5, "b": 5})
    unmapped, operations = found.reasons
    assert unmapped.sentence == (
        "0.500 ms have no name of the network's in the profile of trtexec and 1.00 ms are of layers that ran as one."
    )
    assert operations.cause == "operations" and operations.ms == pytest.approx(0.35)


def test_kernels_like_16_channels_in_8_bit_8_in_16_bit_and_else_a_vector_of_the_host() -> None:
    def multiple(**more: object) -> int:
        made: LayerProfile = profile([], **more)
        return preferred_multiple(made)

    assert [multiple(precision="int8"), multiple(precision="fp16"), multiple(vector=16)] == [16, 8, 16]
    wide = [row("a", 1.0, width=(64, 64))], [row("a", 1.0, width=(64, 40))]
    narrow = [row("a", 1.0, width=(16, 16))], [row("a", 1.0, width=(16, 12))]
    asked = [
        explain(profile(before), profile(after, vector=16), {"a": 2}, {"a": 1}).round_to
        for before, after in (wide, narrow)
    ]
    assert asked == [16, 8]  # rounded to 16 nothing could be cut from 16 channels
