"""Runs that differ in a setting, whichever it is, look different in the table and in the CSV."""

import io
from typing import Any

import pandas as pd
import pytest

from app import text
from app.explore.table import table
from app.tables import points, selection
from engine.spec.run import parse
from engine.storage.store import Store
from tests.support import runs

COLUMNS = """
    run_id point gallery group host model data weights criterion order seed metric depth_share depth_method floor
    width_method attempt_fraction layers_per_step select least_share measure race scope round_to keep_layers limit
    train_epochs train_lr batch_size weight_decay label_smoothing recover_epochs recover_lr between_phases
    between_steps_batches distil temperature distil_weight reestimate_bn val_fraction int8
    normalize data_root latency_table run_on image_size labels rank
    reconstruct calibration_images ridge lose at_least also_criteria also_depth_shares
    adversarial adapt_epochs pseudo_labels confidence refresh balance
    stage phase keep step final top1 top5 val_top1 loss params macs bytes source_top1 target_top1
    flops latency_p50_ms created latency_conditions blocks_removed at_chance
"""
LATENCY = {"metric": "latency"}
DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], str, str, Any]] = [
    ({}, {"data": {"normalize": "cifar10"}}, "normalize", "normalisation", "cifar10"),
    (
        {},
        {"data": {"normalize": [[0, 0, 0], [1, 1, 1]]}},
        "normalize",
        "normalisation",
        "[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]",
    ),
    ({}, {"data": {"image_size": 40}}, "image_size", "image size", 40),
    ({}, {"data": {"image_size": "20x40"}}, "image_size", "image size", "[20, 40]"),
    ({"data": {"name": "npz:/d"}}, {"data": {"name": "npz:/d", "labels": "from-1"}}, "labels", "labels", "from-1"),
    ({}, {"data": {"root": "/pictures"}}, "data_root", "data folder", "/pictures"),
    (
        {"target": LATENCY},
        {"target": LATENCY | {"latency_table": "/t.json"}},
        "latency_table",
        "latency table",
        "/t.json",
    ),
    ({}, {"device": "cpu"}, "run_on", "run on", "cpu"),
    ({}, {"width": {"rank": "per-saving"}}, "rank", "channels ranked by", "per-saving"),
    ({}, {"keep_layers": ["conv1", "layer1.*=0.5"]}, "keep_layers", "layers kept", "conv1, layer1.*=0.5"),
]


@pytest.mark.parametrize(("one", "other", "column", "heading", "value"), DIFFERENT)
def test_runs_that_differ_in_one_setting_alone_are_told_apart(
    results: Store, one: dict[str, Any], other: dict[str, Any], column: str, heading: str, value: Any
) -> None:
    runs.finished(results, parse(one))
    second = runs.finished(results, parse(other))
    rows = {row["run_id"]: row for row in results.runs()}
    assert len({str(row[column]) for row in rows.values()}) == 2
    frame = points.with_latency(points.tidy(results.points()), None)
    assert selection.differing_settings(frame) == [column]
    table_rows = table.display_rows(frame)
    assert set(table_rows[heading].dropna()) >= {value}
    csv_rows = pd.read_csv(io.BytesIO(table.csv(frame, None)))
    assert set(csv_rows[csv_rows["run_id"] == second.id][column]) == {value}
    details = "\n".join(text.details(frame[frame["run_id"] == second.id].iloc[0]))
    assert f"{heading} {str(value).rsplit('/', 1)[-1]}" in details


def test_the_csv_has_the_columns_that_it_had_and_the_new_ones_after_the_other_settings(results: Store) -> None:
    runs.finished(results, parse({}))
    frame = points.with_latency(points.tidy(results.points()), None)
    assert list(pd.read_csv(io.BytesIO(table.csv(frame, None)))) == COLUMNS.split()


def test_the_details_tell_what_is_not_as_usual_and_nothing_of_what_is(results: Store) -> None:
    plain = runs.finished(results, parse({}))
    special = runs.finished(
        results, parse({"train": {"batch_size": 64, "lr": 0.05}, "recover": {"between_phases": False}})
    )
    first = points.tidy(results.points()).groupby("run_id").head(1)
    told = {row["run_id"]: "\n".join(text.details(row)) for row in first.to_dict("records")}
    assert "batch 64 images" in told[special.id] and "training rate 0.05" in told[special.id]
    assert "no recovery between phases" in told[special.id]
    assert "training rate" not in told[plain.id] and "between phases" not in told[plain.id]
