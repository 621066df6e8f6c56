"""The cache of a results folder: what was not used for longest goes, one process computes, and damage is a miss."""

import os
import threading
from pathlib import Path

import pytest
import torch

from engine.cli.main import main
from engine.errors import RequestError, WorkError
from engine.pipeline.shared.entry import Entry
from engine.pipeline.shared.sharing import Sharing
from engine.storage.cache.cache import LIMIT, Cache, Key, limit_of
from engine.storage.housekeeping import disk
from engine.storage.store import Store
from tests.support.stores import make


def keys(count: int) -> list[Key]:
    return [Key.of("things", {"number": number}) for number in range(count)]


def test_what_was_not_used_for_longest_goes_where_the_limit_is_reached(tmp_path: Path) -> None:
    cache, (old, used, new, huge) = Cache(tmp_path, limit=25), keys(4)
    for age, key in ((300, old), (200, used)):
        cache.write(key, b"x" * 10)
        os.utime(cache.path(key), (1e9 - age, 1e9 - age))
    assert cache.read(old) == b"x" * 10  # used last by that
    cache.write(new, b"x" * 10)
    assert [cache.read(key) is not None for key in (old, used, new)] == [True, False, True]
    cache.write(huge, b"x" * 26)
    assert cache.read(huge) is None and cache.usage() == (2, 20)
    assert cache.clear() == 20 and cache.usage() == (0, 0) and Cache(tmp_path / "none").usage() == (0, 0)


def test_the_limit_is_a_share_of_the_disk_or_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT, raising=False)
    assert 0 < limit_of(tmp_path / "not" / "there") <= 20e9
    monkeypatch.setenv(LIMIT, "0.5")
    assert limit_of(tmp_path) == 500_000_000
    for text in ("much", "-1", "nan"):
        monkeypatch.setenv(LIMIT, text)
        with pytest.raises(RequestError, match="must be a number of gigabytes, 0 for no cache"):
            limit_of(tmp_path)


def test_keys_tell_everything_apart_that_an_entry_depends_on() -> None:
    told = [Key.of("a", {}), Key.of("b", {}), Key.of("a", {"threads": 1}), Key.of("a", {"threads": 2})]
    assert len({key.digest for key in told}) == 4 and Key.of("a", {"x": 1, "y": 2}) == Key.of("a", {"y": 2, "x": 1})


def sharing(store: Store) -> Sharing:
    return Sharing(Cache(store.root, 1_000_000), {}, store.create(make()))


def test_of_two_that_ask_at_once_one_computes_and_the_other_waits_for_it(store: Store) -> None:
    (key,), shares = keys(1), [sharing(store) for _ in range(2)]
    computes, may_end, found = threading.Event(), threading.Event(), []

    def compute() -> Entry:
        computes.set()
        assert may_end.wait(60)
        return Entry({"numbers": torch.arange(3)}, {"loss": 0.1 + 0.2})

    threads = [threading.Thread(target=lambda s=s: found.append(s.obtain(key, "thing", compute))) for s in shares]
    threads[0].start()
    assert computes.wait(60)
    threads[1].start()
    while "waiting for another run" not in shares[1].run.status().message:
        assert threads[1].is_alive()
    may_end.set()
    for thread in threads:
        thread.join()
    assert [was_there for _, was_there in found] == [False, True]
    assert all(
        entry.facts == {"loss": 0.1 + 0.2} and entry.tensors["numbers"].tolist() == [0, 1, 2] for entry, _ in found
    )
    assert not list((store.root / "cache" / "locks").iterdir())


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}", b"\x08\0\0\0\0\0\0\0\0\0\0\0"])
def test_a_damaged_entry_is_computed_anew(store: Store, content: bytes) -> None:
    (key,), share = keys(1), sharing(store)
    share.cache.write(key, content)
    assert share.obtain(key, "thing", lambda: Entry({}, {"new": True})) == (Entry({}, {"new": True}), False)
    assert share.obtain(key, "thing", lambda: Entry({})) == (Entry({}, {"new": True}), True)


def test_a_cache_that_cannot_be_written_keeps_nobody_from_computing(store: Store, tmp_path: Path) -> None:
    (key,), share = keys(1), sharing(store)
    (store.root / "cache").write_text("a file in its place")
    assert share.obtain(key, "thing", lambda: Entry({}, {"a": 1})) == (Entry({}, {"a": 1}), False)
    assert any("not kept in the cache" in line for line in share.run.log_tail())
    off = Sharing(Cache(tmp_path, 0), {}, share.run)
    assert off.obtain(key, "thing", lambda: Entry({})) == (Entry({}), False) and not list(tmp_path.glob("cache"))


def test_what_lies_behind_a_link_is_not_removed_and_a_refusal_is_one_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.prepare()
    cache, elsewhere = Cache(store.root, 10_000), tmp_path / "elsewhere"
    cache.write(keys(1)[0], b"x")
    elsewhere.mkdir()
    (elsewhere / "mine.safetensors").write_bytes(b"xxx")
    (cache.folder / "baselines").symlink_to(elsewhere)
    assert cache.usage() == (1, 1) and cache.clear() == 1 and (elsewhere / "mine.safetensors").exists()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    cache.write(keys(1)[0], b"x")
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(WorkError, match="Permission denied"):
        cache.clear()


def test_clean_counts_and_empties_the_cache(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.prepare()
    cache = Cache(store.root, 10_000)
    cache.write(keys(1)[0], b"x" * 3000)
    assert disk.sizes(store)["what runs share"] == 3000
    where = ["--results", str(store.root)]
    assert main(["clean", *where]) == 0 and "and what runs share, 3.00 kB" in capsys.readouterr().out
    assert cache.usage() == (1, 3000)
    assert main(["clean", "--yes", *where]) == 0 and "removed" in capsys.readouterr().out
    assert cache.usage() == (0, 0)
