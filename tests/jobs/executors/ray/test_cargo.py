"""What a run names travels with it: files and folders by their contents, runs it starts from, this program itself."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.errors import WorkError
from engine.jobs.executors.ray import bootstrap, cargo, node
from engine.spec import run as specs
from engine.storage.store import Store
from tests.support import runs, standin


def request_with(tmp_path: Path) -> dict[str, object]:
    images, weights = tmp_path / "images.npz", tmp_path / "net.pt"
    np.savez(images, a=np.zeros(3))
    weights.write_bytes(b"weights")
    spec = specs.parse(
        {"model": "resnet20", "weights": f"{weights}#ema", "data": {"name": f"npz:{images}", "root": str(tmp_path)}}
    )
    return spec.model_dump(mode="json")


def test_the_paths_of_a_request_are_found_and_moved(tmp_path: Path) -> None:
    request = request_with(tmp_path)
    found = cargo.paths_in(request)
    assert found == (f"{tmp_path}/images.npz", f"{tmp_path}/net.pt", str(tmp_path))
    there = cargo.relocated(request, {path: f"/node/{number}" for number, path in enumerate(found)})
    assert there["data"]["name"] == "npz:/node/0" and there["data"]["root"] == "/node/2"
    assert there["weights"] == "/node/1#ema"
    assert cargo.relocated(request, {}) == request


def test_what_is_there_already_is_used_and_anything_else_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    (folder / "train" / "cat").mkdir(parents=True)
    (folder / "train" / "cat" / "1.png").write_bytes(b"a cat")
    loaded = cargo.load(str(folder))
    each = {**vars(loaded), "data": loaded.data}
    assert node._place_of(each, lambda data: data) == folder
    (folder / "train" / "cat" / "1.png").write_bytes(b"a dog that came later")
    there = node._place_of(each, lambda data: data)
    assert there.is_relative_to(tmp_path / "cache") and there.name == "set"
    assert (there / "train" / "cat" / "1.png").read_bytes() == b"a cat"
    assert node._place_of(each, lambda data: pytest.fail("it was taken twice")) == there


def test_what_is_too_large_has_to_be_on_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "large.npz"
    file.write_bytes(b"x" * 100)
    loaded = cargo.load(str(file), most=99)
    assert loaded.digest is None and loaded.data == b""
    os.utime(file, ns=(1, 1))
    with pytest.raises(WorkError, match=r"has no copy of .*large\.npz, which is too large to be sent; put it there"):
        node._place_of(vars(loaded), lambda data: data)


def test_a_run_that_another_starts_from_comes_along_with_those_behind_it(store: Store) -> None:
    first = store.create(standin.make_spec())
    first.append_point(runs.point(0, "baseline", 1.0, 0.9))
    for suffix in ("plan.json", "safetensors", "onnx"):
        first.model_file(0, suffix).write_bytes(suffix.encode())
    second = store.create(standin.make_spec(1, weights=f"{first.id}:0"))
    third = standin.make_spec(2, weights=f"{second.id}:4")
    assert [run.id for run in cargo.runs_behind(third, store)] == [second.id, first.id]
    with zipfile.ZipFile(io.BytesIO(cargo.packed_start(first))) as archive:
        assert {"spec.json", "points.jsonl", "models/p0.plan.json", "models/p0.safetensors"} <= {*archive.namelist()}
        assert "models/p0.onnx" not in archive.namelist()


def test_the_program_runs_from_its_archive_where_it_is_not_installed(tmp_path: Path) -> None:
    data, digest = cargo.program()
    assert cargo.program() == (data, digest), "the same program is another archive"
    folder = bootstrap.unpacked(tmp_path / digest, data)
    code = "import engine.jobs.child as c, engine.measure.machine as m; print(c.__file__, m.version())"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{folder}/engine/jobs/child.py 0.") and done.stderr == ""
