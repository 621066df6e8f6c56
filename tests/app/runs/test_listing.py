"""Which runs the table has, what a row says, and what is known of one run. Plain calls."""

import time
from typing import Any

import pytest

from app import escape
from app.components import endings
from app.runs import facts, listing
from engine.spec import run as specs
from engine.storage.housekeeping import annotations
from engine.storage.records.annotation import Annotation
from engine.storage.store import Store
from tests.support import runs


def summaries(results: Store) -> list[dict[str, Any]]:
    return [{**run, "data_label": run["data"]} for run in results.runs()]


def test_runs_that_differ_in_a_setting_have_its_column_also_where_it_is_empty(results: Store) -> None:
    for limit in (None, 300):
        runs.finished(results, specs.parse({"data": {"limit": limit}}), files=False)
    table = listing.rows(summaries(results), {})
    assert sorted(table["limit"].dropna()) == [300] and table["limit"].isna().sum() == 1
    floors = [run | {"floor": floor} for run, floor in zip(summaries(results), (None, 0.5), strict=True)]
    assert "accuracy floor" in listing.rows(floors, {})
    assert "limit" not in listing.rows(summaries(results)[:1], {})
    lists = [run | {"keep_layers": kept} for run, kept in zip(summaries(results), ([], ["conv1"]), strict=True)]
    assert list(listing.rows(lists, {})["layers kept"]) == ["–", "conv1"]


def test_a_row_has_a_name_a_note_and_the_best_so_far_with_its_cost_as_text(results: Store) -> None:
    run = runs.finished(results, specs.parse({"target": {"keep": [0.6, 0.3]}}), files=False)
    written = Annotation.of("=HYPERLINK(1)", "<b>note</b>\n**bold**", ["+tag", "two"])
    annotations.write(run, written)
    (row,) = escape.cells(listing.rows(summaries(results), {run.id: 2_000_000})).to_dict("records")
    assert (row["name"], row["tags"], row["note"]) == ("'=HYPERLINK(1)", "'+tag, two", "<b>note</b> **bold**")
    assert (row["at"], row["took"], row["disk"]) == ("0.60× MACs", "2 min", "2.00 MB")
    assert row["best so far"] > 80 and row["state"] == "done"


def test_states_words_and_pages_choose_the_rows(results: Store) -> None:
    base = runs.finished(results, specs.parse({}), files=False)
    annotations.write(base, Annotation.of("Warm start", "for the Talk", ["demo"]))
    (row,) = summaries(results)
    many = [row | {"run_id": f"r{n}", "state": "failed" if n % 3 else "done"} for n in range(120)]
    many += [row | {"run_id": "other", "name": "", "note": "", "tags": [], "state": "queued"}]
    assert listing.counts(many) == {"queued": 1, "done": 40, "failed": 80}
    assert len(listing.matching(many, ["failed"], "talk WARM demo")) == 80
    assert listing.matching(many, [], "other") == [many[-1]] and listing.matching(many, [], "nowhere") == []
    assert [listing.page_count(n) for n in (0, 50, 51, 121)] == [1, 1, 2, 3]
    assert len(listing.page(many, 3)) == 21 == len(listing.page(many, 99)) and listing.page_of(many, "other") == 3
    assert listing.position(50, 2, 121, 121) == "51–100 of 121 runs"
    assert listing.position(21, 3, 121, 1234) == "101–121 of 121, out of 1,234 runs"
    assert (listing.position(7, 1, 7, 9), listing.position(1, 1, 1, 1)) == ("7 of 9 runs", "1 run")


def test_a_run_says_its_unusual_settings_its_targets_and_its_machine(results: Store) -> None:
    run = runs.finished(results, specs.parse({"criterion": "l1", "target": {"keep": [0.6, 0.3]}, "seed": 2}))
    (row,) = summaries(results)
    settings = facts.settings(row).set_index("setting")
    assert list(settings.loc["criterion"]) == ["L1 norm", "BN scale"] and "model" not in settings.index
    targets = facts.targets(run.points())
    assert list(targets["target"]) == ["0.60× MACs", "0.30× MACs"] and list(targets["macs"]) == ["24.0 M", "12.0 M"]
    assert [round(change, 1) for change in targets["change"]] == [-2.8, -4.6]
    assert [round(ms, 2) for ms in targets["p50"]] == [0.8, 0.5]
    assert facts.targets([]).empty
    env = facts.environment({"torch": "2.12.0", "memory_bytes": 25_000_000_000, "note": "a\nb"})
    assert env.to_dict("list") == {"what": ["torch", "memory", "note"], "value": ["2.12.0", "25.0 GB", "a b"]}


def test_what_remains_goes_by_the_pace_since_the_last_start() -> None:
    begun: list[dict[str, Any]] = [
        {"kind": "phase", "t": 0.0, "progress": 0.0},
        {"kind": "start", "t": 1000.0},
        {"kind": "phase", "t": 1010.0, "progress": 0.4},
    ]
    run = {"progress": 0.6, "started": 1000.0}
    assert facts.remaining_seconds(run, begun, 1030.0) == pytest.approx(40)
    assert facts.pace(run, begun, None, 1030.0) == "running for 30 s · about 40 s left"
    assert facts.remaining_seconds(run | {"progress": 0.41}, begun, 1030.0) is None, "too little to go by"
    assert facts.pace(run | {"progress": 0.4}, begun, 100.0, 1011.0) == "running for 11 s · about 1 min left"
    assert "shows in a moment" in facts.pace(run, [{"kind": "start"}, {"kind": "phase", "progress": "x"}], None, 1001.0)
    assert facts.remaining_seconds(run, [], time.time()) is None


def test_runs_that_ended_are_told_in_one_sentence_with_the_way_to_their_curve() -> None:
    run = {"run_id": "r1", "state": "done", "name": "my *run*", "model": "m", "criterion": "l1", "group": "abcdefgh"}
    run |= {"gallery": False, "seed": 0}
    assert endings.sentences([run]) == ["my \\*run\\* is done. [Show the curve](./?exp=m+l1+abcdef)"]
    assert endings.ending([run]).text == "my *run* is done.", "as the browser's own notification has it"
    two = [run, run | {"run_id": "r2", "state": "failed", "name": ""}, run | {"criterion": "l2"}]
    done, failed = endings.sentences(two)
    assert done == "2 runs are done. [Show the curves](./?exp=m+l1+abcdef&exp=m+l2+abcdef)"
    assert failed == "m, L1 norm, seed 0 failed. [Show why](./runs?run=r2)"
    (long,) = endings.sentences([run | {"name": "", "model": "m" * 300}])
    assert "… is done. [Show the curve]" in long, "whatever a network is called, how it ended is said"
    assert endings.sentences([run | {"state": "cancelled"}]) == []
