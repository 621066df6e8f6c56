"""`espalier preview`: what it prints, what it leaves, and how it is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.cli.main import main
from engine.preview_server import client
from engine.zoo.build import build
from tests.cli.conftest import Said
from tests.support.previews import without_times
from tests.support.runtime_folder import runtime_folder

Call = Callable[..., Said]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    file = tmp_path_factory.mktemp("weights") / "resnet20.safetensors"
    save_file(build("resnet20", 10, (3, 16, 16), "none", 3).module.state_dict(), file)
    images = ("--data", "digits", "--limit", "48", "--calibration-images", "24", "--validation-images", "24")
    return "preview", "--weights", str(file), *images, "--criterion", "l1", "--order", "channels", "--keep", "0.5"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder(monkeypatch, client._started) as folder:
        yield folder


def test_it_says_what_each_ratio_comes_to_and_leaves_no_folder(
    espalier: Call, ask: tuple[str, ...], results: Path
) -> None:
    people, program = espalier(*ask, "--no-warm"), espalier(*ask, "--no-warm", "--json")
    assert people.code == program.code == 0 and not results.exists()
    document = program.json()
    assert [target["keep"] for target in document["targets"]] == [0.5]
    assert "0.5× macs" in people.out and "reconstructed" in people.out and "no test image was looked at" in people.out
    rows = [line for line in people.out.splitlines() if "× macs" in line]
    assert all(f"{t['reconstructed']['top1']:.1%}" in row for t, row in zip(document["targets"], rows, strict=True))


def test_the_warm_process_says_the_same_as_often_as_it_is_asked(
    espalier: Call, ask: tuple[str, ...], results: Path, runtime: Path
) -> None:
    here, warm, again = (without_times(espalier(*ask, *how, "--json").json()) for how in (["--no-warm"], [], []))
    assert here == warm == again and len(client._started) == 1
    assert not results.exists() and len(list((runtime / "espalier").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--recover-epochs", "3"), "No such option"),
        (("--depth", "direct"), "No such option"),
        (("--int8",), "No such option"),
        (("--seed", "0,1"), "preview takes one seed"),
        (("--order", "alternate"), "the order alternate goes step by step"),
        (("--validation-images", "3"), "a whole number from 16 to 1,000,000"),
        (("--keep", "2"), "target.keep"),
        (("--weights", "/nowhere.pt"), "/nowhere.pt"),
        (("--no-reconstruct",), "recover.calibration_images is of reconstruction"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(
    refused: Callable[..., str], ask: tuple[str, ...], arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(*ask, "--no-warm", *arguments)


def test_the_help_names_no_setting_that_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--calibration-images" in shown and "--ridge" in shown
    assert not any(flag in shown for flag in ("--recover-epochs", "--distil", "--step-batches", "--race"))
