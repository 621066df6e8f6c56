"""Registries fill themselves from a package's files, in an order of their own, and take each name once."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from engine.errors import RequestError
from engine.spec.registry import Names, Registry

Make = Callable[..., Registry[int]]
_numbers = count()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A registry of a package whose files add `numbers` (name → rank) to it."""

    def of(**files: dict[str, int]) -> Registry[int]:
        package = f"orchard{next(_numbers)}"
        registry: Registry[int] = Registry("fruit", package)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("REGISTRY = None\n")
        for file, ranks in files.items():
            lines = [f"from {package} import REGISTRY"]
            lines += [f"REGISTRY.add({name!r}, {rank}, __name__, {rank})" for name, rank in ranks.items()]
            (tmp_path / package / f"{file}.py").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)
        __import__(package).REGISTRY = registry
        return registry

    return of


def test_entries_are_in_order_of_rank_then_file_then_place(make: Make) -> None:
    registry = make(b={"pear": 0, "fig": 2, "apple": 0}, a={"quince": 1, "plum": 0})
    assert list(registry) == ["plum", "pear", "apple", "quince", "fig"]
    assert (registry["fig"], len(registry), "plum" in registry, registry.get("stone")) == (2, 5, True, None)


def test_nothing_is_imported_before_a_name_is_asked_for(make: Make, tmp_path: Path) -> None:
    registry = make(a={"plum": 0})
    file = next(tmp_path.glob("orchard*/a.py"))
    file.write_text(file.read_text().replace("plum", "fig"))
    assert list(registry) == ["fig"]


def test_a_file_that_fails_says_so_each_time(make: Make, tmp_path: Path) -> None:
    registry = make(a={"plum": 0})
    file = next(tmp_path.glob("orchard*/a.py"))
    file.write_text(file.read_text() + "\nraise OSError('no ladder')\n")
    for _ in range(2):
        with pytest.raises(OSError, match="no ladder"):
            list(registry)


def test_a_name_stands_for_one_thing(make: Make) -> None:
    registry = make()
    registry.add("fig", 1, "orchard.a")
    registry.add("fig", 2, "orchard.a")
    with pytest.raises(RequestError, match=r"fruit 'fig' is declared in orchard\.a and again in orchard\.b; .*rename"):
        registry.add("fig", 3, "orchard.b")
    assert registry["fig"] == 2


@pytest.mark.parametrize("name", ["", "a+b", "A", "a b", "fig\n"])
def test_a_malformed_name_is_refused(make: Make, name: str) -> None:
    with pytest.raises(RequestError, match="has a name of other characters than a-z0-9_; rename it"):
        make().add(name, 1, "orchard.a")


def test_names_are_worked_out_when_they_are_read() -> None:
    entries = ["a", "b"]
    names = Names(lambda: tuple(entries))
    entries.append("c")
    assert (list(names), len(names), names[0], names[1:], "c" in names) == (["a", "b", "c"], 3, "a", ("b", "c"), True)
    assert names.index("b") == 1
