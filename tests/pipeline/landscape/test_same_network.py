"""The run of a cell's network: by arithmetic, for any cell; `test_landscape` makes one and compares it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import WorkError
from engine.pipeline.landscape.same_network import run_of
from engine.prune.solver import split_target
from engine.spec.landscape.request import parse
from engine.storage.landscapes.grid import Cell, Grid, Shares, Untouched
from tests.support.landscapes import figures

ORDERS = ("layers-channels", "channels-layers")
SHARES = st.sampled_from([1.0, 0.95, 0.9, 0.8, 0.7, 0.625, 0.6, 0.58, 1 / 3, 0.25, 0.2])


def grid_of(order: str, metric: str = "macs", **untouched: float) -> Grid:
    made = figures(parse({"grid": 2, "spec": {"order": order, "target": {"metric": metric}}}))
    return replace(made, untouched=replace(made.untouched, **untouched))


def cell(depth: float, width: float, kept_depth: float, kept_width: float) -> Cell:
    return Cell(asked=Shares(depth=depth, width=width), kept=Shares(depth=kept_depth, width=kept_width))


@given(base=st.integers(10_000, 20_000_000_000), depth=SHARES, width=SHARES, part=st.floats(0.7, 1.0))
@settings(max_examples=60, deadline=None)
def test_the_limits_of_the_run_are_those_of_the_cell(base: int, depth: float, width: float, part: float) -> None:
    level = base if depth == 1.0 else math.floor(depth * part * base)
    spec = run_of(grid_of("layers-channels", macs=base), cell(depth, width, level / base, width))
    shares = split_target(base, spec.target.keep[0], spec.target.depth_share, spec.order)
    assert shares.total == math.floor(width * level)
    if shares.total < base:
        assert level <= shares.layers <= max(depth * base, level + 1), "the same blocks go"

    level = math.floor(width * base)
    spec = run_of(grid_of("channels-layers", macs=base), cell(depth, width, depth, level / base))
    shares = split_target(base, spec.target.keep[0], spec.target.depth_share, spec.order)
    assert shares.total == math.floor(depth * level)
    if shares.total < base:
        assert math.floor(shares.channels) == math.floor(width * base) and shares.channels >= width * base


def test_a_command_has_no_more_digits_than_it_takes() -> None:
    spec = run_of(grid_of("layers-channels", macs=40_550_000), cell(0.8, 0.6, 0.7676, 0.6))
    assert (spec.target.keep, spec.target.depth_share) == ((0.46056,), 0.3)
    assert not spec.recover.between_phases and spec.recover.calibration_images == 512


def test_milliseconds_that_blocks_come_down_to_are_a_target_of_blocks_alone() -> None:
    spec = run_of(grid_of("layers-channels", "latency", predicted_ms=3.7), cell(0.8, 1.0, 0.7712345, 1.0))
    assert spec.order == "layers" and 0.7712345 < spec.target.keep[0] <= 0.8
    spec = run_of(grid_of("layers-channels", "latency", predicted_ms=3.7), cell(0.8, 0.5, 0.7712345, 0.49))
    assert spec.order == "layers-channels" and spec.target.keep[0] == pytest.approx(0.7712345 / 2)


def test_a_cell_that_cannot_be_is_refused_in_one_sentence() -> None:
    grid = grid_of("layers-channels")
    with pytest.raises(WorkError, match="has no network"):
        run_of(grid, Cell(asked=Shares(depth=0.2, width=0.2), why="at least 0.3× remains"))
    with pytest.raises(WorkError, match=r"is damaged: it keeps 0\.9 where 0\.5 was asked"):
        run_of(grid, cell(0.5, 0.5, 0.9, 0.5))
    without = replace(grid, untouched=Untouched(accuracy=grid.untouched.accuracy, macs=0, params=1))
    with pytest.raises(WorkError, match="does not say what its untouched network costs"):
        run_of(without, cell(0.5, 0.5, 0.5, 0.5))
