"""Files to a board: whole or not at all, sent once, nothing left behind."""

import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import limits, transfer
from engine.errors import RequestError, WorkError
from tests.support.hostile import small_disk, use_inodes
from tests.support.sshd import Sshd

pytestmark = pytest.mark.xdist_group("ssh-upload")

SIZE = 20_000_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def models(server: Sshd) -> Iterator[Path]:
    """Where models are on the board; emptied after each test, and no part file may be there then."""
    path = server.cache / "models"
    yield path
    left = list(path.rglob("*")) if path.exists() else []
    if path.exists():
        shutil.rmtree(path)
        path.mkdir(mode=0o700)
    assert [file.name for file in left if ".part" in file.name] == []


def sha256(content: bytes | Path) -> str:
    data = content if isinstance(content, bytes) else content.read_bytes()
    return hashlib.sha256(data).hexdigest()


def test_twenty_megabytes_arrive_once_and_are_skipped_then(board: ssh.Connection, models: Path, model: Path) -> None:
    told: list[tuple[int, int]] = []
    caller = threading.get_ident()

    def progress(sent: int, total: int) -> None:
        assert threading.get_ident() == caller
        told.append((sent, total))

    assert board.upload(model, "models/m.onnx", sha256=sha256(model), on_progress=progress)
    assert (models / "m.onnx").read_bytes() == model.read_bytes()
    assert told == sorted(told)
    assert told[-1] == (SIZE, SIZE)

    os.utime(models / "m.onnx", (0, 0))
    told.clear()
    assert not board.upload(model, "models/m.onnx", sha256=sha256(model), on_progress=progress)
    assert told == []
    assert time.time() - (models / "m.onnx").stat().st_mtime < 60, "the last use is not marked"


def test_a_file_with_another_hash_is_repaired(board: ssh.Connection, models: Path) -> None:
    content = os.urandom(100_000)
    assert board.upload(content, "models/m.onnx", sha256=sha256(content))
    (models / "m.onnx").write_bytes(content[:-1] + b"?")
    assert board.upload(content, "models/m.onnx", sha256=sha256(content))
    assert (models / "m.onnx").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "one byte"])
def test_small_files_arrive(board: ssh.Connection, models: Path, content: bytes) -> None:
    assert board.upload(content, "models/deep/er/m", sha256=sha256(content))
    assert (models / "deep/er/m").read_bytes() == content


def test_an_absolute_path_is_taken_as_it_is(board: ssh.Connection, tmp_path: Path) -> None:
    assert board.upload(b"x", str(tmp_path / "x"), sha256=sha256(b"x"))
    assert (tmp_path / "x").read_bytes() == b"x"


@pytest.mark.usefixtures("slow")
def test_stop_in_the_middle_leaves_no_part_file(
    board: ssh.Connection, models: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    during: list[list[str]] = []

    def stop() -> bool:
        during.append([file.name for file in models.glob("*.part")])
        return bool(seen and seen[-1] > 1_000_000)

    began = time.monotonic()
    with pytest.raises(ssh.Stopped, match=r"sending m\.onnx to tx2 was stopped"):
        board.upload(model, "models/m.onnx", sha256=sha256(model), stop=stop, on_progress=lambda a, b: seen.append(a))
    assert time.monotonic() - began < 50
    assert 1_000_000 < seen[-1] < SIZE
    assert any(during), "no part file was ever seen"
    assert list(models.iterdir()) == []
    assert board.run(["true"], limit=120).status == 0


@pytest.mark.usefixtures("slow")
def test_an_exception_of_the_caller_leaves_no_part_file(board: ssh.Connection, models: Path, model: Path) -> None:
    def fail(sent: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.upload(model, "models/m.onnx", sha256=sha256(model), on_progress=fail)
    assert list(models.iterdir()) == []


def test_a_file_that_is_not_what_its_hash_says_is_refused(board: ssh.Connection, models: Path) -> None:
    with pytest.raises(WorkError, match="is not the file with the hash"):
        board.upload(b"changed since", "models/m.onnx", sha256=sha256(b"hashed before"))
    assert list(models.iterdir()) == []


def test_a_file_that_arrives_damaged_is_refused(
    board: ssh.Connection, models: Path, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = transfer._compare

    def damaged(*args: object) -> None:
        (part,) = models.glob("*.part")
        part.write_bytes(b"something else")
        compare(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "_compare", damaged)
    with pytest.raises(WorkError, match="arrived damaged"):
        board.upload(b"content", "models/m.onnx", sha256=sha256(b"content"))
    assert list(models.iterdir()) == []


def test_a_source_that_is_not_there_is_a_sentence(board: ssh.Connection, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"cannot read .*nowhere"):
        board.upload(tmp_path / "nowhere", "models/m", sha256="0" * 64)


def test_a_folder_in_its_place_is_a_sentence(board: ssh.Connection) -> None:
    with pytest.raises(WorkError, match="is a folder"):
        board.upload(b"x", "models", sha256=sha256(b"x"))


@pytest.mark.parametrize("digest", ["", "0" * 63, "z" * 64, "A" * 64, "$(touch canary)"])
def test_a_hash_that_is_none_is_refused(board: ssh.Connection, digest: str) -> None:
    with pytest.raises(RequestError, match="SHA-256"):
        board.upload(b"x", "models/m", sha256=digest)


def test_two_uploads_of_one_file_at_once_both_end_well(board: ssh.Connection, models: Path) -> None:
    content = os.urandom(3_000_000)
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda: done.append(board.upload(content, "models/m", sha256=sha256(content))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 2
    assert (models / "m").read_bytes() == content


def test_a_server_without_sftp_takes_files(
    tmp_path: Path, device: Board, key: Path, results: Path, trusted: Callable[[Sshd], None]
) -> None:
    with Sshd(tmp_path / "sshd", config=["Subsystem nothing /bin/false"]) as bare:
        bare.authorize(key.with_suffix(".pub"))
        trusted(bare)
        with ssh.connect(parse("tx2", bare.target), results) as board:
            assert board.upload(b"x", "models/m", sha256=sha256(b"x"))
        assert (bare.cache / "models/m").read_bytes() == b"x"


# -- a full board


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(path)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def small(
    tmp_path: Path, disk: Path, device: Board, key: Path, results: Path, trusted: Callable[[Sshd], None]
) -> Iterator[ssh.Connection]:
    """A board whose cache lies on that disk."""
    with Sshd(tmp_path / "sshd", environment={"XDG_CACHE_HOME": str(disk)}) as sshd:
        sshd.authorize(key.with_suffix(".pub"))
        trusted(sshd)
        with ssh.connect(parse("tx2", sshd.target), results) as board:
            yield board


def test_a_board_without_room_is_told_before_anything_is_sent(small: ssh.Connection, disk: Path, model: Path) -> None:
    sent: list[int] = []
    with pytest.raises(ssh.BoardFull, match=r"needs 20\.0 MB, and 12\.[0-9] MB are free") as full:
        small.upload(model, "models/m.onnx", sha256=sha256(model), on_progress=lambda a, b: sent.append(a))
    assert full.value.needed == SIZE
    assert 11_000_000 < full.value.free < 13_000_000
    assert sent == []


def test_a_board_that_fills_up_in_the_middle_is_told_and_tidied(
    small: ssh.Connection, disk: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = model.read_bytes()[:10_000_000]
    piece, taken = transfer._read_chunk, [0]

    def filling(file: object) -> bytes:
        taken[0] += 1
        if taken[0] == 100:
            (disk / "others").write_bytes(b"x" * 6_000_000)
        return piece(file)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "_read_chunk", filling)
    with pytest.raises(ssh.BoardFull, match="has no room") as full:
        small.upload(content, "models/m.onnx", sha256=sha256(content))
    assert full.value.needed == 10_000_000
    assert 5_000_000 < full.value.free < 7_000_000
    assert list((disk / "espalier/models").iterdir()) == []

    (disk / "others").unlink()
    assert small.upload(content, "models/m.onnx", sha256=sha256(content))


def test_a_board_without_inodes_is_told_as_that(
    tmp_path: Path, device: Board, key: Path, results: Path, trusted: Callable[[Sshd], None]
) -> None:
    disk = tmp_path / "few"
    with (
        small_disk(disk, 20_000_000, inodes=12) as cache,
        Sshd(tmp_path / "sshd", environment={"XDG_CACHE_HOME": str(cache)}) as sshd,
    ):
        sshd.authorize(key.with_suffix(".pub"))
        trusted(sshd)
        fillers = use_inodes(cache)
        with ssh.connect(parse("tx2", sshd.target), results) as board:
            with pytest.raises(ssh.BoardFull, match=WITHOUT_INODES.format("the cache folder")):
                _ = board.folder
            for path in fillers[:5]:
                path.unlink()
            assert board.folder == f"{cache}/espalier"
            use_inodes(cache)
            with pytest.raises(ssh.BoardFull, match=WITHOUT_INODES.format(r"m\.onnx")) as full:
                board.upload(b"x", "models/m.onnx", sha256=sha256(b"x"))
            assert full.value.free > 10_000_000
            with pytest.raises(ssh.BoardFull, match=WITHOUT_INODES.format(r"m\.onnx")):
                board.upload(b"x", "models/deep/er/m.onnx", sha256=sha256(b"x"))


WITHOUT_INODES = r"no room for {}: its disk has no inodes left, and so takes no new file \([12][0-9.]+ MB are free\)"


def test_a_board_that_loses_its_last_inode_in_the_middle_is_told(
    small: ssh.Connection, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = transfer._RECEIVE
    monkeypatch.setattr(transfer, "_RECEIVE", receive.replace("set -C\n", f"touch {disk}/others || exit\nset -C\n"))
    _ = small.folder
    subprocess.run(["mount", "-o", "remount,nr_inodes=6", str(disk)], check=True)
    with pytest.raises(ssh.BoardFull, match=WITHOUT_INODES.format(r"m\.onnx")):
        small.upload(b"x", "models/m.onnx", sha256=sha256(b"x"))


def test_a_write_that_fails_for_another_reason_is_told_with_it(
    tmp_path: Path, device: Board, key: Path, results: Path, model: Path, trusted: Callable[[Sshd], None]
) -> None:
    limited = tmp_path / "limited"
    limited.write_text("#!/bin/sh\ntrap '' XFSZ\nulimit -f 2048\neval \"$SSH_ORIGINAL_COMMAND\"\n")
    limited.chmod(0o755)
    with Sshd(tmp_path / "sshd", config=[f"ForceCommand {limited}"]) as sshd:
        sshd.authorize(key.with_suffix(".pub"))
        trusted(sshd)
        with ssh.connect(parse("tx2", sshd.target), results) as board:
            with pytest.raises(WorkError, match=r"tx2 did not take m\.onnx: .*File too large") as refused:
                board.upload(model, "models/m.onnx", sha256=sha256(model))
            assert not isinstance(refused.value, ssh.BoardFull | ssh.ConnectionCut)
            assert list((sshd.cache / "models").iterdir()) == []


def test_limits_are_what_the_board_is_given() -> None:
    assert (limits.CONNECT_S, limits.KEEPALIVE_S, limits.SILENCE_S) == (10, 15, 30)
