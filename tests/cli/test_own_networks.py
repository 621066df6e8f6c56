"""A network of the user's own on the command line: named in a terminal it runs; named by anything else it does not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import RequestError
from engine.pipeline import run as pipeline
from engine.storage.store import Store
from tests.cli.conftest import QUICK, Said

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, classes)

    def forward(self, x):
        print("looking")
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CONFIG", str(tmp_path / "settings"))
    path = tmp_path / "my_net.py"
    path.write_text(NET)
    return path


def test_a_run_of_a_file_records_what_it_held_and_says_when_that_has_changed(
    espalier: Callable[..., Said], results: Path, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = (*QUICK, "--criterion", "l1", "--order", "channels", "--keep", "0.5")
    done = espalier("run", "--model", "my_net.py:Net", *flags, "--json").json()  # and nothing that the file prints
    assert done["spec"]["model"] == f"{file}:Net"
    assert done["status"]["state"] == "done"
    assert not [note for note in done["notes"] if "has changed" in note]
    folder = Store(results).run(done["run_id"])
    assert folder.env()["network"]["path"] == str(file)
    file.write_text(NET + "# another\n")
    note = espalier("show", folder.id, "--json").json()["notes"][0]
    assert "has changed since this run was made" in note
    out = str(tmp_path / "cut.onnx")
    assert espalier("export", folder.id, "--point", "1", "--out", out, "--json").json()["notes"] == [note]
    with pytest.raises(RequestError, match="put the file back as it was, or start a new run"):
        pipeline.run(folder.spec(), folder)


def test_a_network_is_listed_under_its_name_and_taken_off(espalier: Callable[..., Said], file: Path) -> None:
    added = espalier("models", "add", f"{file}:Net", "--name", "mine", "--json").json()
    assert (added["name"], added["params"]) == ("my/mine", 8 * 27 + 8 + 16 + 90)
    assert "my/mine: 330 params" in espalier("models", "add", f"{file}:Net", "--name", "mine").out
    (listed,) = espalier("models", "--model", "my/mine", "--json").json()
    assert listed["macs"] == added["macs"]
    sheet = espalier("sheet", "--model", "my/mine", "--data", "digits", "--json").json()
    assert (sheet["params"], sheet["image"]) == (330, [3, 16, 16])
    file.write_text(NET.replace("8", "16"))
    assert espalier("sheet", "--model", "my/mine", "--data", "digits", "--json").json()["params"] == 650
    assert espalier("models", "remove", "my/mine", "--json").json()["name"] == "my/mine"
    assert "there is no network 'my/mine'" in espalier("sheet", "--model", "my/mine", "--json").out


def test_what_cannot_be_built_is_not_listed(
    espalier: Callable[..., Said], refused: Callable[..., str], file: Path
) -> None:
    assert "has no build; it has Net" in refused("models", "add", f"{file}:build", "--name", "mine")
    assert "lower-case letters" in refused("models", "add", f"{file}:Net", "--name", "Mine!")
    assert "there is no file" in refused("models", "add", f"{file}x.py:Net")
    assert "there is no network 'my/mine'" in refused("models", "--model", "my/mine")


@pytest.mark.parametrize("named", ["spec", "sheet", "check"])
def test_code_is_not_run_for_whom_a_file_or_a_form_names(
    espalier: Callable[..., Said], refused: Callable[..., str], file: Path, tmp_path: Path, named: str
) -> None:
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    if named == "spec":
        spec = tmp_path / "spec.json"
        spec.write_text(json.dumps({"model": f"{file}:Net", "data": {"name": "digits"}}))
        said = refused("submit", "--no-worker", "--spec", str(spec))
    else:
        said = espalier(named, "--model", f"{file}:Net", "--name-field", "--json").json()["error"]
    assert "is not in your list of networks" in said
    assert not (tmp_path / "ran").exists()


def test_timms_networks_are_listed_by_name(espalier: Callable[..., Said]) -> None:
    names = [entry["name"] for entry in espalier("models", "timm", "--json").json()]
    assert {"timm/resnet18", "timm/dla46x_c", "timm/nasnetalarge"} < set(names)
    assert not [name for name in names if "/vit_" in name or "swin" in name]
    assert "timm/dla34 " in espalier("models", "timm", "dla").out
