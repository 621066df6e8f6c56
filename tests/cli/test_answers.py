"""What the commands answer with: the JSON shapes that other programs rely on, and tables that fit a terminal."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.export.quantize import stored_bytes
from engine.graph.summary import ModelSummary
from engine.spec import catalog
from engine.spec.run import parse
from engine.storage.store import Store
from tests.support import runs

Espalier = Callable[..., Any]
Finished = tuple[Path, str]
DIGITS = ("--data", "digits", "--limit", "48")


def test_show_is_the_run_with_its_status_its_spec_and_its_points(espalier: Espalier, finished: Finished) -> None:
    results, run_id = finished
    document = espalier("show", run_id, "--json", results=results).json()
    assert list(document) == ["run_id", "status", "spec", "points", "notes"]
    assert document["run_id"] == run_id and document["status"]["state"] == "done"
    assert document["spec"]["target"]["keep"] == [0.5] and document["spec"]["schema_version"] == 1
    assert [point["stage"] for point in document["points"]] == ["baseline", "pruned", "pruned"]
    assert document["points"][-1]["final"] and document["points"][-1]["got"]["macs"] <= 0.5
    assert any(note.startswith("val split: 10% of train") for note in document["notes"])
    assert any(note.startswith("the baseline is no better than chance: ") for note in document["notes"]), "untrained"


def test_check_says_what_a_run_would_decide_and_leaves_nothing(espalier: Espalier, results: Path) -> None:
    asked = ("check", "--data", "digits", "--limit", "48", "--order", "channels")
    document = espalier(*asked, "--json").json()
    assert list(document) == ["summary", "notes", "new_head"] and document["new_head"] is False
    assert document["summary"]["model"] == "resnet20"
    shown = espalier(*asked).out
    assert all(note.split()[0] in shown for note in document["notes"]) and "- layer fc keeps its 10 outputs" in shown
    assert "limit 48" in shown and not (results / "runs").exists()


def test_a_run_whose_events_are_damaged_is_shown_and_says_so(
    espalier: Espalier, finished: Finished, tmp_path: Path
) -> None:
    results, run_id = finished
    events = results / "runs" / run_id / "events.jsonl"
    content = events.read_bytes()
    events.write_bytes(b'{"kind": "start", "notes": 7}\n' + content)
    try:
        document = espalier("show", run_id, "--json", results=results).json()
    finally:
        events.write_bytes(content)
    assert len(document["points"]) == 3 and document["notes"][0].startswith("what was decided cannot be read: ")


def test_runs_is_a_list_of_summaries(espalier: Espalier, finished: Finished) -> None:
    results, run_id = finished
    listed = espalier("runs", "--json", results=results).json()
    own = next(run for run in listed if run["run_id"] == run_id)
    assert {"run_id", "group", "state", "progress"} <= set(own)
    assert own["state"] == "done" and own["progress"] == 1


def test_runs_of_a_new_folder_are_none_of_its_own(espalier: Espalier) -> None:
    listed = espalier("runs", "--json").json()
    assert [run for run in listed if not run["gallery"]] == []


def test_scores_of_blocks_are_one_number_each(espalier: Espalier) -> None:
    document = espalier("scores", "--scope", "blocks", "--criterion", "bn_scale", *DIGITS, "--json").json()
    assert {key: document[key] for key in ("criterion", "scope", "split")} == {
        "criterion": "bn_scale",
        "scope": "blocks",
        "split": "val",
    }
    assert len(document["scores"]) == 7
    assert all(set(entry) == {"name", "score"} and isinstance(entry["score"], float) for entry in document["scores"])


@pytest.mark.parametrize("criterion", ["l1", "l1+bn_scale"])
def test_scores_of_channels_are_one_number_for_each_output_channel(espalier: Espalier, criterion: str) -> None:
    arguments = ("scores", "--scope", "channels", "--criterion", criterion, "--split", "test", *DIGITS, "--json")
    document = espalier(*arguments).json()
    lengths = {entry["name"]: len(entry["score"]) for entry in document["scores"]}
    assert document["split"] == "test"
    assert (lengths["conv1"], lengths["layer2.1.conv1"], lengths["layer3.2.conv2"]) == (16, 32, 64)


def test_models_say_their_cost_and_for_each_block_why_it_may_go(espalier: Espalier) -> None:
    (model,) = espalier("models", "--model", "resnet20-a", "--json").json()
    assert set(model) == {"name", "params", "macs", "input", "blocks"}
    assert model["input"] == [3, 32, 32] and round(model["macs"] / 1e6, 2) == 40.55
    assert all(set(block) == {"name", "removable", "why"} and block["why"] for block in model["blocks"])
    assert sum(block["removable"] for block in model["blocks"]) == 7


def test_datasets_and_criteria_list_the_catalogue(espalier: Espalier) -> None:
    datasets = [entry["name"] for entry in espalier("datasets", "--json").json()]
    assert datasets == [*catalog.DATASETS, "folder:PATH", "npz:PATH", "SOURCE>TARGET"]
    assert [entry["name"] for entry in espalier("criteria", "--json").json()] == list(catalog.CRITERIA)


def test_a_sheet_reads_back(espalier: Espalier, results: Path) -> None:
    first = espalier("sheet", "--data", "digits", "--json").json()
    assert ModelSummary.from_json(first).image == (3, 16, 16)
    assert espalier("sheet", "--data", "digits", "--json").json() == first, "the kept one is the same"
    assert [path.name for path in (results / "sheets").iterdir()] == ["resnet20-none-digits.json"]


def test_a_damaged_sheet_is_made_anew(espalier: Espalier, results: Path) -> None:
    first = espalier("sheet", "--data", "digits", "--json").json()
    for damage in ("", "[]", '{"sheet_version": 1}', '{"sheet_version": 0}'):
        (results / "sheets/resnet20-none-digits.json").write_text(damage)
        assert espalier("sheet", "--data", "digits", "--json").json() == first


def test_export_and_time_of_a_point(espalier: Espalier, finished: Finished, tmp_path: Path) -> None:
    results, run_id = finished
    out = tmp_path / "cut.onnx"
    written = espalier("export", run_id, "--point", "2", "--out", str(out), "--json", results=results).json()
    assert written == {"out": str(out), "bytes": out.stat().st_size, "opset": 13}
    timed = espalier("time", run_id, "--point", "2", "--batch", "2", "--json", results=results).json()
    assert (timed["run_id"], timed["point"]) == (run_id, 2)
    assert timed["latency"]["provider"] == "CPUExecutionProvider" and timed["latency"]["batch"] == 2


def test_a_point_is_exported_in_8_bit(espalier: Espalier, finished: Finished, tmp_path: Path) -> None:
    results, run_id = finished
    exact, out = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    espalier("export", run_id, "--point", "0", "--out", str(exact), "--json", results=results)
    arguments = ("export", run_id, "--point", "0", "--int8", "--out", str(out), "--json")
    answer = espalier(*arguments, results=results)
    assert answer.json() == {"out": str(out), "bytes": out.stat().st_size, "opset": 13, "int8": True}, "stdout is JSON"
    assert answer.err == "" and sorted(tmp_path.iterdir()) == [exact, out]
    assert stored_bytes(out) <= 0.35 * stored_bytes(exact)


def test_a_point_in_8_bit_has_a_name_of_its_own(
    espalier: Espalier, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, run_id = finished
    monkeypatch.chdir(tmp_path)
    assert espalier("export", run_id, "--point", "2", "--int8", results=results).code == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{run_id}-p2-int8.onnx"]


def test_a_plan_replays_on_untouched_weights(espalier: Espalier, finished: Finished, tmp_path: Path) -> None:
    results, run_id = finished
    models, out = results / "runs" / run_id / "models", tmp_path / "cut.safetensors"
    files = ("--plan", str(models / "p2.plan.json"), "--weights", str(models / "p0.safetensors"), "--out", str(out))
    assert espalier("apply", *files, "--json").json() == {"out": str(out), "bytes": out.stat().st_size}
    assert out.read_bytes() == (models / "p2.safetensors").read_bytes(), "nothing was trained in between"


@pytest.mark.parametrize(
    ("flags", "fragment"),
    [
        (("export", "--point", "9"), "has no point 9; it has 0 to 2"),
        (("export", "--point", "-1"), "has no point -1"),
        (("export", "--point", "0", "--opset", "18"), "opset must be 9 to 17 (got 18)"),
        (("export", "--point", "0", "--opset", "-3"), "opset must be"),
        (("export", "--point", "0", "--int8", "--opset", "12"), "--int8 writes opset 13 only (got 12)"),
        (("export", "--point", "0", "--out", "/"), "is a folder"),
        (("export", "--point", "0", "--out", "/dev/full"), "is no ordinary file"),
        (("export", "--point", "0", "--out", "/nowhere/x.onnx"), "there is no folder /nowhere"),
        (("time", "--point", "9"), "has no point 9"),
        (("time", "--point", "0", "--threads", "0"), "threads must be 1 to"),
        (("time", "--point", "0", "--threads", "1000000"), "cores of this computer"),
        (("time", "--point", "0", "--batch", "0"), "batch must be 1 to 1024"),
        (("time", "--point", "0", "--batch", "1000000000"), "batch must be"),
        (("time", "--point", "0", "--provider", "gpu"), "allowed: cpu, cuda, tensorrt"),
        (("cancel",), "is done already"),
        (("resume",), "is done; only an interrupted, failed or cancelled run"),
    ],
)
def test_what_a_finished_run_refuses(
    refused: Callable[..., str], finished: Finished, flags: tuple[str, ...], fragment: str
) -> None:
    results, run_id = finished
    command, *rest = flags
    assert fragment in refused(command, run_id, *rest, results=results)


def test_a_provider_that_is_not_there_is_refused_and_not_replaced(
    refused: Callable[..., str], finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    results, run_id = finished
    sentence = refused("time", run_id, "--point", "0", "--provider", "cuda", results=results)
    assert sentence == "this ONNX Runtime has no cuda provider; it has cpu"


def test_a_point_whose_file_was_deleted(refused: Callable[..., str], finished: Finished) -> None:
    results, run_id = finished
    file = results / "runs" / run_id / "models/p1.onnx"
    content = file.read_bytes()
    file.unlink()
    assert "comes without p1.onnx" in refused("time", run_id, "--point", "1", results=results)
    file.write_bytes(content)


@pytest.mark.parametrize(
    "command",
    [
        ("models", "--model", "resnet20"),
        ("datasets",),
        ("criteria",),
        ("sheet", "--data", "digits"),
        ("runs",),
        ("show",),
    ],
)
def test_tables_fit_a_hundred_columns(espalier: Espalier, finished: Finished, command: tuple[str, ...]) -> None:
    results, run_id = finished
    answer = espalier(*command, *([run_id] if command == ("show",) else []), results=results)
    assert answer.code == 0 and answer.err == ""
    assert max(map(len, answer.out.splitlines())) <= 100
    assert "…" not in answer.out, "nothing is cut off"
    if command in (("runs",), ("show",)):
        assert run_id in answer.out


COMMANDS = (
    "models datasets criteria sheet run check submit worker runs show cancel resume delete reindex scores apply "
    "export time landscape"
)


@pytest.mark.parametrize("command", COMMANDS.split())
def test_help_names_every_option_and_says_what_it_is(espalier: Espalier, command: str) -> None:
    answer = espalier(command, "--help")
    assert answer.code == 0 and answer.err == ""
    options = re.findall(
        r"^│ (?:\* )?\s*(--[a-z0-9-]+)\s+(?:--no-[a-z0-9-]+…?\s+)?<\w+>\s+(\S.*)│$", answer.out, re.MULTILINE
    )
    assert {"--results", "--json", "--help"} <= {name for name, _ in options}
    assert all(help.strip() for _, help in options)
    assert len(options) == len(re.findall(r"^│ (?:\* )?\s*--", answer.out, re.MULTILINE)), "each has its help"


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    from engine.cli.main import main

    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f" {command} " in out for command in COMMANDS.split())


def test_delete_removes_the_run_and_reindex_counts_what_is_left(espalier: Espalier, results: Path) -> None:
    arguments = ("submit", "--no-worker", "--data", "digits", "--keep", "0.5", "--seed", "0,1", "--json")
    one, two = espalier(*arguments).json()["run_ids"]
    assert espalier("cancel", one, "--json").json() == {"run_id": one, "state": "cancelled"}
    assert espalier("delete", one, "--json").json() == {"run_id": one, "state": "deleted"}
    assert [path.name for path in (results / "runs").iterdir()] == [two]
    gallery = sum(run["gallery"] for run in espalier("runs", "--json").json())
    assert espalier("reindex", "--json").json() == {"runs": 1 + gallery}


def test_show_lists_the_tries_of_a_search_and_says_its_answer_below(espalier: Espalier, tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = runs.searched(store, parse({"criterion": "l1", "target": {"lose": 1.0}}))
    shown = espalier("show", run.id, results=tmp_path).out
    assert "try 2, l1" in shown and "90.5% val." in shown
    assert "- the smallest of some tries" in shown
    tries = espalier("show", run.id, "--json", results=tmp_path).json()["points"][1:-1]
    assert [(point["step"], point["top1"]) for point in tries] == [(1, None), (2, None), (3, None)]


def test_show_has_both_accuracies_and_the_pseudo_labels_of_a_run_on_two_domains(
    espalier: Espalier, tmp_path: Path
) -> None:
    run = runs.carried_over(Store(tmp_path), parse({"data": {"name": "mnist5k>digits"}, "target": {"keep": [0.6]}}))
    shown = espalier("show", run.id, results=tmp_path).out
    assert re.search(r"target +source", shown) and re.search(r"baseline .*70\.0% +90\.0%", shown)
    assert re.search(r"66\.0% +88\.0%", shown) and max(map(len, shown.splitlines())) <= 100
    assert "- pseudo-labels: 100 of 120 target images" in shown and "89 of 100 (89.0%) of point 1" in shown
    assert " mnist5k>digits " in espalier("runs", results=tmp_path).out
    points = espalier("show", run.id, "--json", results=tmp_path).json()["points"]
    both = [share for point in points for share in (point["target_top1"], point["source_top1"])]
    assert both == pytest.approx([0.7, 0.9, 0.66, 0.88])
