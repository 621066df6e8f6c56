"""Image folders that come as a zip: what is unpacked, and what is refused with nothing left behind."""

import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import folder
from engine.errors import RequestError
from engine.storage.archives import DamagedArchiveError
from engine.storage.files import MIB
from engine.uploads import entries, limits, unpacking
from engine.uploads.entries import choose
from engine.uploads.receiving import receive
from engine.uploads.shelf import Upload
from tests.support import uploads
from tests.support.uploads import archive, classes, image


def sent(root: Path, content: bytes, name: str = "pets.zip") -> Upload:
    return receive(root, "images", name, io.BytesIO(content))


def refusal(root: Path, content: bytes) -> str:
    """The sentence; whatever was written on the way is gone."""
    with pytest.raises(RequestError) as refused:
        sent(root, content)
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert list((root / "uploads").iterdir()) == [] and "\n" not in str(refused.value)
    return str(refused.value)


def files_in(upload: Upload) -> set[str]:
    return {str(path.relative_to(upload.path)) for path in upload.path.rglob("*") if path.is_file()}


def test_class_folders_are_unpacked_without_the_folder_around_them_and_what_systems_add(tmp_path: Path) -> None:
    odd: dict[str, bytes | str] = {
        "__MACOSX/pets/cat/._0.png": b"x",
        "pets/.DS_Store": b"x",
        "pets/cat/Thumbs.db": b"x",
    }
    upload = sent(tmp_path, archive({**classes("pets/"), "pets/": b"", **odd}))
    assert files_in(upload) == set(classes()) and upload.name == "pets"
    assert upload.path.parents[2] == tmp_path / "uploads"
    assert folder.outline(upload.path).names == ("cat", "dog")
    splits = {**classes("a/b/train/", 1), **classes("a/b/test/", 1)}
    assert files_in(sent(tmp_path, archive(splits))) == {*classes("train/", 1), *classes("test/", 1)}
    assert files_in(sent(tmp_path, archive(classes("train/", 2)))) == set(classes("train/", 2))


def test_the_same_archive_twice_is_one_upload_under_its_first_name(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    content = archive(classes())
    first = sent(tmp_path / "results", content)
    again = sent(tmp_path / "results", content, "other.zip")
    assert (again.path, again.name) == (first.path, "pets") and again.at >= first.at
    assert len(list((tmp_path / "disk" / "uploads" / "images").iterdir())) == 1


ODD_NAMES = {
    "../cat/0.png": "leads out of it",
    "cat/../../0.png": "leads out of it",
    "__MACOSX/../../0.png": "leads out of it",
    "/cat/0.png": "is an absolute path",
    "C:/cat/0.png": "is an absolute path",
    "cat\\0.png": "is no path of folders",
    "cat//0.png": "is no path of folders",
    "cat/./0.png": "is no path of folders",
    "cat/\x1b[2J.png": "is no line of text",
    "cat/\u202egnp.png": "is no line of text",
    "cat/a\nb.png": "is no line of text",
    "a/" * 12 + "0.png": "is deeper than 12 folders",
    "cat/" + "n" * 260 + ".png": "has a name of over 255 bytes",
    "cat/inner.zip": "is an archive itself",
    "cat/labels.csv": "is no image",
    "cat/run.sh": "is no image",
    "loose.png": "lies in no class folder",
    "Cat/new.png": "are one path to some disks",
    "cat/0.PNG": "are one path to some disks",
    "cat/0.png/1.png": "are one path to some disks",
}


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_an_entry_of_an_odd_name_is_refused(name: str, tmp_path: Path) -> None:
    sentence = refusal(tmp_path, archive({**classes(), name: image(9)}))
    assert sentence.startswith("pets.zip holds ") and ODD_NAMES[name] in sentence
    assert sentence.endswith("; zip images alone, in a folder for each class") and sentence.isprintable()


def test_a_name_cut_short_by_a_zero_is_refused_as_it_stands_in_the_file(tmp_path: Path) -> None:
    content = archive({**classes(), "cat/aXb.png": image()}).replace(b"cat/aXb", b"cat/a\0b")
    assert "is no line of text" in refusal(tmp_path, content)


MODES = {stat.S_IFLNK: "is a link", stat.S_IFCHR: "is no regular file", stat.S_IFIFO: "is no regular file"}


@pytest.mark.parametrize("mode", MODES)
def test_links_devices_and_pipes_are_refused(mode: int, tmp_path: Path) -> None:
    assert f"'cat/odd.png', which {MODES[mode]}" in refusal(tmp_path, uploads.of_mode(mode))


def test_encrypted_entries_and_names_that_stand_there_twice_are_refused(tmp_path: Path) -> None:
    assert "which is encrypted" in refusal(tmp_path, uploads.encrypted())
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(classes(), lambda packed: packed.writestr("cat/0.png", image(9)))
    assert "names a member twice" in refusal(tmp_path, twice)


def test_bombs_are_refused_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "at most 2,000 MB are unpacked" in refusal(tmp_path, uploads.that_says(limits.MOST_UNPACKED + 1))
    monkeypatch.setattr(entries, "PLAUSIBLE", MIB)
    zeros = archive({**classes(), "cat/zeros.bmp": bytes(2 * MIB)})
    assert "would become 2 MB, more than 100 times what they take in it" in refusal(tmp_path, zeros)
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 5)
    assert "has more than 5 members" in refusal(tmp_path, archive(classes()))


def test_entries_that_are_not_as_the_list_says_are_refused(tmp_path: Path) -> None:
    size = len(image())
    for said in (size - 1, size + 1):
        assert "'cat/0.png', which is cut off or damaged" in refusal(tmp_path, uploads.that_says(said))
    assert "is not a zip archive, or it is cut off" in refusal(tmp_path, archive(classes())[:-30])
    assert "holds no image" in refusal(tmp_path, archive({".DS_Store": b""}))


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"", archive({"x": b"y"})], ids=["script", "empty", "archive"])
def test_what_is_called_an_image_and_is_none_is_refused_by_its_content(content: bytes, tmp_path: Path) -> None:
    sentence = refusal(tmp_path, archive({**classes(), "cat/fake.png": content}))
    assert sentence.startswith("cannot read the image pets/cat/fake.png (") and str(tmp_path) not in sentence


def test_a_folder_that_no_run_could_take_is_refused_by_the_words_for_one(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, archive({**classes("train/"), "test/bird/0.png": image()}))
    assert "pets/" in sentence and "bird" in sentence and str(tmp_path) not in sentence


NAMES = st.text(st.sampled_from("aB./\\:~\0\n é\u0301…") | st.characters(), min_size=1, max_size=12)


@given(st.lists(NAMES, max_size=4), st.booleans())
def test_whatever_entries_are_called_each_gets_a_path_of_its_own_inside(names: list[str], wrapped: bool) -> None:
    top = "w/" if wrapped else ""
    members = {name: zipfile.ZipInfo(name) for name in classes(top, 1)}
    for name in names:
        member = zipfile.ZipInfo(f"{top}{name}.png")
        members[member.filename] = member
    try:
        chosen = choose(members)
    except DamagedArchiveError as error:
        assert str(error).isprintable()
        return
    paths = [PurePosixPath(*entry.parts) for entry in chosen]
    assert len({str(path).casefold() for path in paths}) == len(paths)
    for path, entry in zip(paths, chosen, strict=True):
        assert not path.is_absolute() and path.parts == entry.parts and len(path.parts) >= 2
        assert ".." not in path.parts and str(path).isprintable()
