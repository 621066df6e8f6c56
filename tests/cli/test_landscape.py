"""The command landscape: what it prints and leaves, what the other commands do with it, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from tests.support.landscapes import small_network

FAST = ("--data", "digits", "--limit", "64", "--train-epochs", "0", "--no-reconstruct", "--grid", "2", "--least", "0.5")


def test_a_landscape_is_shown_in_tables_and_as_json_listed_and_deleted(
    espalier: Callable[..., Said], tmp_path: Path
) -> None:
    model = small_network(tmp_path)
    done = espalier("landscape", "--model", model, "--criterion", "l1", *FAST, "--json").json()
    assert done["status"]["state"] == "done" and len(done["landscape"]["cells"]) == 4
    assert json.loads(Path(done["file"]).read_text()) == done["landscape"]
    assert espalier("show", done["run_id"], "--json").json() == done
    said = espalier("show", done["run_id"]).out
    assert "accuracy cut alone, %" in said and "MACs kept" in said and "width \\ depth" in said
    assert "accuracy reconstructed" not in said and "the test split was not looked at" in said
    (row,) = [row for row in espalier("runs", "--json").json() if not row.get("gallery")]
    assert (row["run_id"], row["kind"], row["grid"], row["state"]) == (done["run_id"], "landscape", 2, "done")
    assert done["run_id"] in espalier("runs").out
    assert espalier("resume", done["run_id"]).code == 2
    assert "only an interrupted, failed or cancelled landscape" in espalier("resume", done["run_id"]).err
    assert espalier("delete", done["run_id"]).code == 0 and "landscape" not in espalier("runs", "--json").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--order", "layers"), "its order is layers-channels or channels-layers (got layers)"),
        (("--grid", "1"), "grid must be a whole number of at least 2"),
        (("--least", "0"), "least must be a number above 0"),
        (("--keep", "0.5"), "No such option: --keep"),
        (("--criterion", "cka"), "scores whole blocks"),
        (("--no-reconstruct", "--ridge", "0.1"), "recover.ridge is of reconstruction"),
        (("--model", "torchvision/alexnet", "--data", "digits"), "torchvision/alexnet"),
        (("--weights", "none", "--data", "nothing"), "unknown dataset"),
        (("--data", "digits", "--limit", "8", "--train-epochs", "0"), "at least 16 training images"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    refused: Callable[..., str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused("landscape", *arguments)
