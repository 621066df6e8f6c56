"""Networks of the user's own: only what stands in the user's list is run, and whatever is wrong is one sentence."""

import json
import sys
from pathlib import Path

import pytest
import torch

from engine.errors import RequestError, WorkError
from engine.spec.networks import own_names
from engine.zoo.build import build, check, construct
from engine.zoo.own import listing

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=10, width=8):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))
"""
IMAGE = (3, 8, 8)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CONFIG", str(tmp_path / "settings"))
    return tmp_path / "settings"


def written(folder: Path, end: str, begin: str = NET, name: str = "my_net.py") -> Path:
    file = folder / name
    file.write_text(begin + end)
    return file


def entered(folder: Path, end: str = "", function: str = "build") -> str:
    """The model's name once a user has named it in a terminal."""
    return listing.enter(f"{written(folder, end)}:{function}")


def refusal(model: str, classes: int = 3, image: tuple[int, int, int] = IMAGE) -> str:
    with pytest.raises(RequestError) as caught:
        build(model, classes, image)
    assert "\n" not in str(caught.value)
    assert caught.value.field == "model"
    return str(caught.value)


@pytest.mark.parametrize(
    "end",
    [
        "def build(classes): return Net(classes)",
        "def build(num_classes=10): return Net(num_classes)",
        "def build(*, num_classes): return Net(num_classes)",
        "def build(width=16, n_classes=2): return Net(n_classes, width)",
        "def build(width=16, *rest, num_classes): return Net(num_classes, width)",
        "def build(**settings): return Net(settings['num_classes'])",
        "def build(*classes): return Net(*classes)",
        "build = lambda n: Net(n)",
        "build = Net",
        "import functools\nbuild = functools.partial(Net, width=16)",
    ],
)
def test_whatever_takes_the_number_of_classes_makes_a_network(tmp_path: Path, end: str) -> None:
    built = build(entered(tmp_path, end), 3, IMAGE)
    assert built.module(torch.zeros(2, *IMAGE)).shape == (2, 3)


@pytest.mark.parametrize(
    ("end", "fragment"),
    [
        ("def build(classes)\n    pass", "my_net.py:12: SyntaxError: expected ':'"),
        ("import no_such_module", "my_net.py:12: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def build(classes):\n    raise ValueError('a\\nb')", "my_net.py:13: ValueError: a b"),
        ("import sys\nsys.exit(3)", "my_net.py:13: it ends the program"),
        ("def build(classes): return build(classes)", "RecursionError"),
        ("def build(classes): return 7", "returns int, which is no torch.nn.Module"),
        ("def build(classes): return nn.ReLU()", "returns a network without parameters"),
        ("def build(classes): return Net(classes).half()", "float16 numbers; call .float() on it"),
        ("def build(classes): return nn.DataParallel(Net(classes))", "return the network itself"),
        ("def build(classes): return torch.jit.script(nn.Linear(classes, 1))", "a TorchScript module"),
        ("build = Net(10)", "is a network already; name the function or class"),
        ("build = 7", "is no function and no class"),
        ("other = 7", "has no build; it has Net"),
        ("def build(): return Net()", "none of its parameters is called num_classes"),
        ("def build(width, num_classes): return Net(num_classes, width)", "it also wants width"),
        ("def build(classes): return Net(10)", "gives 2×10 numbers for 2 images of 8×8 px and 3 classes"),
        ("one = Net(3)\ndef build(classes): return one", "returns the same network each time"),
        ("def build(classes): return nn.Sequential(nn.Flatten(), nn.Linear(5, classes))", "cannot read 3×8×8 images"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_line(tmp_path: Path, end: str, fragment: str) -> None:
    assert fragment in refusal(entered(tmp_path, end))


def test_the_head_is_the_layer_that_the_number_of_classes_changes_wherever_it_is_defined(tmp_path: Path) -> None:
    end = """
class Early(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.answer, self.conv, self.mix = nn.Linear(6, classes), nn.Conv2d(3, 4, 3), nn.Linear(4, 6)

    def forward(self, x):
        return self.answer(self.mix(self.conv(x).mean((2, 3))).relu())
"""
    model = listing.enter(f"{written(tmp_path, end)}:Early")
    trained = construct(model, 5)
    torch.save(trained.state_dict(), tmp_path / "trained.pt")
    loaded = build(model, 7, IMAGE, str(tmp_path / "trained.pt"))
    assert loaded.notes == ("head replaced: 5 → 7 classes",) and not loaded.pretrained
    assert torch.equal(loaded.module.get_parameter("mix.weight"), trained.get_parameter("mix.weight"))


def test_a_file_that_nobody_named_in_a_terminal_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    file = written(tmp_path, f"open({str(trap)!r}, 'w')\nbuild = Net")
    for use in (lambda m: construct(m, 3), lambda m: check(m, 3, IMAGE), lambda m: build(m, 3, IMAGE)):
        with pytest.raises(RequestError, match="espalier models add"):
            use(f"{file}:build")
    with pytest.raises(RequestError, match="there is no network 'my/mine' in your list"):
        build("my/mine", 3, IMAGE)
    listing.add(f"{file}:other", "mine")  # another function of the same file is another network
    with pytest.raises(RequestError, match="espalier models add"):
        build(f"{file}:build", 3, IMAGE)
    assert not trap.exists()


def test_a_network_on_the_list_goes_by_its_name_until_it_is_taken_off(tmp_path: Path) -> None:
    file = written(tmp_path, "build = Net")
    added = listing.add(f"{file}:build", "mine")
    assert listing.names() == ("my/mine",)
    assert build("my/mine", 3, IMAGE).conditions["network"]["sha256"] == added.sha256
    assert build(f"{file}:build", 3, IMAGE).name == f"{file}:build"
    with pytest.raises(RequestError, match=r"my/mine is .*:build already"):
        listing.add(f"{file}:Net", "mine")
    listing.remove("my/mine")
    assert "in your list" in refusal("my/mine")
    assert "in your list" in refusal(f"{file}:build")


def test_a_run_of_a_file_that_has_changed_since_says_so(tmp_path: Path) -> None:
    model = entered(tmp_path, "build = Net")
    conditions = build(model, 3, IMAGE).conditions
    assert listing.change_since(conditions) is None
    assert listing.change_since({}) is None
    written(tmp_path, "def build(classes): return Net(classes, 16)")
    assert "has changed since this run was made" in str(listing.change_since(conditions))
    assert build(model, 3, IMAGE).module.conv.out_channels == 16  # it is read anew
    (tmp_path / "my_net.py").unlink()
    assert "cannot be read any more" in str(listing.change_since(conditions))
    listing.remove(model)
    assert "is not in your list of networks" in str(listing.change_since(conditions))


def test_files_beside_it_are_found_and_each_files_own(tmp_path: Path) -> None:
    for name, width in (("one", 8), ("two", 16)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "parts.py").write_text(f"WIDTH = {width}\n")
        end = "from parts import WIDTH\ndef build(classes): return Net(classes, WIDTH)"
        assert build(entered(folder, end), 3, IMAGE).module.conv.out_channels == width
    assert not [path for path in sys.path if str(tmp_path) in path]


def test_what_a_file_prints_and_sets_stays_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = "print('heard')\nimport sys\nsys.argv.append('x')\ntorch.set_default_dtype(torch.float64)\n"
    arguments = list(sys.argv)
    build(
        entered(tmp_path, end + "torch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float32)\nbuild = Net"),
        3,
        IMAGE,
    )
    assert capsys.readouterr().out == ""
    assert sys.argv == arguments
    assert torch.is_grad_enabled()
    assert not list(tmp_path.glob("__pycache__"))


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("[]", "is damaged"),
        ("{", "is damaged"),
        ('{"networks": [{"path": "/a.py", "function": "f", "sha256": "0"}]}', "networks.0.sha256 is not as expected"),
        ('{"networks": [], "extra": 1}', "is damaged"),
    ],
)
def test_a_damaged_list_is_one_sentence(settings: Path, text: str, fragment: str) -> None:
    settings.mkdir()
    (settings / "networks.json").write_text(text)
    with pytest.raises(WorkError, match=fragment):
        listing.names()


def test_the_list_holds_a_thousand_and_forgets_the_oldest_without_a_name(settings: Path, tmp_path: Path) -> None:
    entries = [{"path": f"/{n}.py", "function": "f", "sha256": "0" * 64, "name": None} for n in range(1000)]
    entries[0]["name"] = "first"
    settings.mkdir()
    (settings / "networks.json").write_text(json.dumps({"networks": entries}))
    entered(tmp_path, "build = Net")
    assert len(listing.listed()) == 1000
    assert [network.path for network in listing.listed()][:2] == ["/0.py", "/2.py"]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("net.py", "names no function; write FILE.py:FUNCTION"),
        ("net.py:", "is no name of a function"),
        ("net.py:a.b", "is no name of a function"),
        ("net.py:a\n", "is no name of a function"),
        ("a\nb.py:f", "is no path that a request can hold"),
        ("my/", "is no name for a network"),
        ("my/../x", "is no name for a network"),
        ("my/" + "a" * 40, "is no name for a network"),
    ],
)
def test_a_malformed_name_is_refused_by_its_form(text: str, fragment: str) -> None:
    with pytest.raises(RequestError, match=fragment):
        own_names.check(text)
