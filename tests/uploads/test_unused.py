"""Uploads that no run names: counted among what the results take, and cleaned away."""

import io
import json
import os
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.jobs.sweep import place
from engine.storage.housekeeping import disk
from engine.storage.store import Store
from engine.uploads import unused
from engine.uploads.receiving import receive
from engine.uploads.shelf import Shelf, Upload
from tests.support.stores import filled, make
from tests.support.uploads import archive, classes


def pets(store: Store, count: int, name: str) -> Upload:
    """An upload of long ago."""
    upload = receive(store.root, "images", f"{name}.zip", io.BytesIO(archive(classes(count=count))))
    os.utime(upload.path.parent, (0, 0))
    return upload


def test_clean_removes_the_uploads_that_no_run_names_and_that_are_not_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "gallery")
    named, paired, damaged, unnamed = (pets(store, n + 1, name) for n, name in enumerate("abcd"))
    new = receive(store.root, "images", "new.zip", io.BytesIO(archive(classes(count=6))))
    filled(store, data={"name": f"folder:{named.path}"})
    store.create(make(1, data={"name": f"digits>folder:{paired.path}"}))
    broken = filled(store, 2, data={"name": f"folder:{damaged.path}"})
    (broken.path / "status.json").write_text("{")
    assert disk.sizes(store)["uploads"] == disk.size(store.root / "uploads") > 0
    assert unused.find(store) == [Shelf(store.root).of(str(unnamed.path))]
    size = disk.size(unnamed.path)
    assert main(["clean", "--results", str(store.root)]) == 0
    assert "; and 1 upload that no run names, " in " ".join(capsys.readouterr().out.split())
    for flags, is_there in (((), True), (("--yes",), False)):
        assert main(["clean", *flags, "--results", str(store.root), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["uploads"], said["upload_bytes"]) == ([str(unnamed.path)], size)
        assert unnamed.path.exists() is is_there
    assert {upload.name for upload in Shelf(store.root).all()} == {"a", "b", "c", new.name}
    assert not [path for path in (store.root / "uploads").iterdir() if path.name.startswith(".")]
    assert unused.remove(store, [named]) == [] and named.path.exists()


def test_while_a_sweep_is_under_way_uploads_and_weights_stay_as_it_may_need_them_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "gallery")
    unnamed = pets(store, 1, "a")
    run = filled(store)
    weights = run.model_file(0, "safetensors")
    weights.write_bytes(b"weights")
    run.end("done", "done")
    command = ["clean", "--weights", "--yes", "--results", str(store.root)]
    with place.driving(store, "a sweep"):
        assert main([*command, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["sweep_under_way"] and said["uploads"] == [] and unnamed.path.exists() and weights.exists()
        assert main(command) == 0 and "a sweep is under way" in capsys.readouterr().out
    assert main(command) == 0 and "a sweep is under way" not in capsys.readouterr().out
    assert not unnamed.path.exists() and not weights.exists()
