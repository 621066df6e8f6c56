"""The project as a package: what its metadata says, and what a wheel of it holds and does outside of the checkout."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from engine.measure import machine
from tests.support.places import GALLERY, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
pytestmark = pytest.mark.xdist_group("wheel")  # which is built once


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel puts into site-packages, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def in_elsewhere(unpacked: Path, folder: Path, *words: str) -> str:
    """Run Python in a folder that is no checkout, with the unpacked wheel before all that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_pins_are_within_what_the_package_asks_for() -> None:
    from packaging.requirements import Requirement

    for file, needs in (
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-cluster.txt", PROJECT["optional-dependencies"]["cluster"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ):
        lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
        pins = [Requirement(line) for line in lines if line and not line.startswith("-r")]
        pinned = {pin.name.lower().replace("_", "-"): pin for pin in pins}
        for need in map(Requirement, needs):
            pin = pinned[need.name.lower().replace("_", "-")]
            (exact,) = pin.specifier
            assert exact.operator == "==" and need.specifier.contains(exact.version, prereleases=True), need.name
            assert str(pin.marker) == str(need.marker)


def test_pre_commit_runs_the_pinned_ruff() -> None:
    pinned = re.search(r"^ruff==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert pinned and f"rev: v{pinned[1]}\n" in (ROOT / ".pre-commit-config.yaml").read_text()


def test_the_version_is_the_installed_one_or_the_checkouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.metadata, "version", lambda name: f"of {name}")
    assert machine.version() == "of espalier"

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine.metadata, "version", missing)
    assert machine.version() == PROJECT["version"]


def test_a_wheel_holds_the_program_the_gallery_and_the_settings(unpacked: Path) -> None:
    shipped = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    ours = [path for top in ("app", "engine", "pages") for path in (ROOT / top).rglob("*") if path.is_file()]
    assert {str(path.relative_to(ROOT)) for path in ours if path.suffix != ".pyc"} <= shipped
    gallery = {f"engine/gallery/{path.relative_to(GALLERY)}" for path in GALLERY.rglob("*") if path.is_file()}
    assert gallery <= shipped and gallery
    assert {"app/icon.svg", "app/.streamlit/config.toml", "engine/py.typed", "app/py.typed"} <= shipped
    tops = {name.split("/")[0] for name in shipped}
    assert tops == {"app", "engine", "pages", f"espalier-{PROJECT['version']}.dist-info"}


def test_an_installed_copy_works_in_any_folder(unpacked: Path, tmp_path: Path) -> None:
    code = "from engine.storage.directories import *; print(PACKAGES, gallery(), streamlit_settings(), sep='\\n')"
    where = in_elsewhere(unpacked, tmp_path, "-c", code)
    settings = unpacked / "app" / ".streamlit" / "config.toml"
    assert where.splitlines() == list(map(str, (unpacked, unpacked / "engine" / "gallery", settings)))
    asked = ("--data", "digits", "--limit", "48", "--train-epochs", "0", "--recover-epochs", "0", "--keep", "0.5")
    assert "final" in in_elsewhere(unpacked, tmp_path, "-m", "engine", "run", *asked)
    assert in_elsewhere(unpacked, tmp_path, "-m", "engine", "runs").count("clutter") == len(list(GALLERY.glob("2*")))
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
