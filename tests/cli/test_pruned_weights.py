"""Commands that start from a pruned network: RUN:POINT, or the safetensors of a point."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from tests.cli.conftest import Said

Espalier = Callable[..., Said]
Refused = Callable[..., str]
Finished = tuple[Path, str]


def test_a_run_from_a_point_takes_that_runs_model_and_data(espalier: Espalier, finished: Finished) -> None:
    results, run_id = finished
    arguments = ("--weights", f"{run_id}:1", "--limit", "40", "--recover-epochs", "0", "--no-worker", "--json")
    (submitted,) = espalier("submit", *arguments, results=results).json()["run_ids"]
    spec = espalier("show", submitted, "--json", results=results).json()["spec"]
    assert (spec["model"], spec["data"]["name"], spec["data"]["limit"]) == ("resnet20", "digits", 40)
    assert spec["weights"] == f"{run_id}:1"
    assert espalier("delete", submitted, results=results).code == 0


def test_export_and_time_take_a_point_or_its_file(espalier: Espalier, finished: Finished, tmp_path: Path) -> None:
    results, run_id = finished
    file = results / "runs" / run_id / "models" / "p2.safetensors"
    written: list[Any] = []
    for number, source in enumerate((f"{run_id}:2", str(file))):
        out = tmp_path / f"{number}.onnx"
        assert espalier("export", "--weights", source, "--out", str(out), results=results).code == 0
        written.append(out.stat().st_size)
    assert abs(written[0] - written[1]) < 4096, "but for what the file says of itself"
    assert espalier("time", "--weights", str(file), "--json", results=results).json()["latency"]["n"] >= 200
    sheet = espalier("sheet", "--weights", f"{run_id}:2", "--json", results=results).json()
    assert (sheet["model"], sheet["image"]) == ("resnet20", [3, 16, 16]), "the data is that of the run, too"


def test_what_names_no_pruned_network_is_refused(refused: Refused, finished: Finished, tmp_path: Path) -> None:
    results, run_id = finished
    assert "give a run's ID with --point" in refused("export", results=results)
    assert "leave out the run's ID" in refused("time", run_id, "--weights", f"{run_id}:1", results=results)
    assert "is no pruned network" in refused("export", "--weights", "hub", results=results)
    assert "has no point 9" in refused("run", "--weights", f"{run_id}:9", results=results)
    assert "there is no run" in refused("submit", "--weights", "20000101-000000-00000000:1", results=results)
    wrong = refused("run", "--weights", f"{run_id}:1", "--model", "vgg16_bn", results=results)
    assert "is a pruned resnet20, and the model asked for is vgg16_bn; give --model resnet20" in wrong
    plain = tmp_path / "plain.safetensors"
    save_file(load_file(results / "runs" / run_id / "models" / "p0.safetensors"), plain)
    assert "carry no plan" in refused("export", "--weights", str(plain), results=results)
