"""Which files are the images of a class: links once, nothing hidden, other files named."""

import os
from pathlib import Path

import pytest

from engine.data.images.listing import LeftOut, class_folders, list_split
from engine.data.images.pixels import EXTENSIONS
from tests.data.test_folder import read, refusal, root, write  # noqa: F401 - a fixture


def named(folder: Path, left_out: LeftOut | None = None) -> list[str]:
    left_out = LeftOut() if left_out is None else left_out
    found = list_split(folder, class_folders(folder, left_out), left_out)
    return [str(file.relative_to(folder)) for file in found.files]


def test_a_link_is_followed_once_and_a_loop_is_not(tmp_path: Path) -> None:
    split, elsewhere = tmp_path / "train", tmp_path / "elsewhere"
    for file in (split / "a" / "0.png", split / "b" / "0.png", elsewhere / "1.png", elsewhere / "deep" / "2.png"):
        write(file)
    (split / "a" / "more").symlink_to("../../elsewhere")
    (split / "a" / "again").symlink_to(elsewhere / "deep")
    (split / "a" / "same.png").symlink_to("0.png")
    (split / "b" / "one.png").symlink_to(elsewhere / "1.png")
    (elsewhere / "back").symlink_to(split / "a")
    (elsewhere / "round").symlink_to(".")
    (split / "a" / "up").symlink_to(tmp_path)
    left_out = LeftOut()
    assert named(split, left_out) == ["a/0.png", "a/again/2.png", "a/more/1.png", "b/0.png", "b/one.png"]
    assert left_out.loops == 2
    assert list(left_out.notes()) == [
        "2 links to a folder around it not followed",
        "3 links to what is in the class already not followed again",
    ]


def test_what_is_hidden_is_left_out_and_counted(root: Path) -> None:  # noqa: F811
    for name in (".ipynb_checkpoints/0.png", "__MACOSX/0.png", "._0.png", "Thumbs.db", ".DS_Store", "@eaDir/x/0.png"):
        write(root / "train" / "cat" / Path(name).parent / "0.png")
        (root / "train" / "cat" / name).write_bytes(b"")
    (root / "train" / "cat" / "0.png").unlink()
    write(root / "train" / "cat" / "0.png")
    write(root / "__MACOSX" / "train" / "cat" / "._0.png")
    data = read(root)
    assert len(data.train) + len(data.val) == 8
    assert "7 hidden files left out" in data.notes


def test_other_files_are_named_and_images_in_no_class_counted(root: Path) -> None:  # noqa: F811
    for name in ("notes.txt", "x.heic", "b.json", "labels.csv"):
        (root / "train" / "dog" / name).write_text("")
    write(root / "train" / "loose.png")
    write(root / "more" / "a.png")
    (root / "test" / "dog" / "gone.png").symlink_to("nowhere")
    notes = read(root).notes
    assert "4 files of other kinds left out: b.json, labels.csv, notes.txt, …" in notes
    assert "1 image in no class folder left out: loose.png" in notes
    assert "1 link to nothing or to no regular file left out: gone.png" in notes
    assert "1 folder beside the splits not read: more" in notes


def test_every_extension_is_read_whatever_its_case(tmp_path: Path) -> None:
    for index, extension in enumerate(EXTENSIONS):
        write(tmp_path / "train" / "a b é" / f"{index}.png")
        name = f"{index}{extension.upper() if index % 2 else extension}"
        (tmp_path / "train" / "a b é" / f"{index}.png").rename(tmp_path / "train" / "a b é" / name)
    assert len(named(tmp_path / "train")) == len(EXTENSIONS)


def test_images_of_test_that_are_in_train_by_links_are_said(root: Path) -> None:  # noqa: F811
    for file in (root / "test" / "cat").iterdir():
        file.unlink()
    (root / "test" / "cat" / "same").symlink_to(root / "train" / "cat")
    (root / "train" / "dog" / "cat.png").symlink_to(root / "train" / "cat" / "0.png")
    notes = read(root).notes
    assert "4 images of test in train, too, by links" in notes
    assert "1 image of train in two classes, by links" in notes


@pytest.mark.parametrize("depth", [0, 30])
def test_a_class_of_hidden_files_alone_is_refused(depth: int, root: Path) -> None:  # noqa: F811
    folder = root.joinpath("train", "cow", *["x"] * depth)
    folder.mkdir(parents=True)
    os.mkdir(folder / ".cache")  # noqa: PTH102
    write(folder / ".cache" / "0.png")
    assert f"{root / 'train' / 'cow'} holds no image" in refusal(root)
