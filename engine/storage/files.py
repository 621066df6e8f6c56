"""The door to files: regular ones only, bounded in size, and none behind a link where a link has no business. No torch.

A file of a job is looked for inside its folder, which is held by descriptor, and neither may be a link: so a folder
that somebody else prepared cannot make us read or write elsewhere. What is made gets the group and the mode of the
folder that it is made in, so that those who share the folder share what is in it.

Everything here raises OSError, whose `strerror` completes "cannot read …: ".
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MIB = 1 << 20
_PIECE = 1 << 16  # bytes that are read at once; room for many more would take longer than most files
# O_NONBLOCK: opening a named pipe would wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def held_folder(path: Path, *, links: bool = False) -> Iterator[int]:
    """The descriptor of a folder, which is none behind a link unless `links` are allowed."""
    try:
        folder = open_folder(path, links=links)
    except NotADirectoryError:
        raise OSError(errno.ENOTDIR, f"{path.name} is {kind_of(path) or 'no folder'}, and no folder") from None
    try:
        yield folder
    finally:
        os.close(folder)


def open_folder(path: Path, *, links: bool = False) -> int:
    """The same for whoever closes it."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW))


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY, *, links: bool = False) -> Iterator[int]:
    """The descriptor of a regular file; with O_CREAT it is made, if need be, with its folder's group and mode.

    `links` allows for links to the file and to its folder, as for files that the user names.
    """
    with held_folder(path.parent, links=links) as folder, opened_in(folder, path.name, flags, links=links) as file:
        yield file


@contextmanager
def opened_in(folder: int, name: str, flags: int = os.O_RDONLY, *, links: bool = False) -> Iterator[int]:
    """The same of a file in a folder that is held by its descriptor."""
    descriptor = _open_in(folder, name, flags, links)
    try:
        _size_of_file(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def read_bytes(path: Path, most: int = MIB, *, links: bool = False) -> bytes:
    """All that a regular file holds; OSError when that is more than `most` bytes."""
    with held_folder(path.parent, links=links) as folder:
        return read_in(folder, path.name, most, links=links)


def read_in(folder: int, name: str, most: int = MIB, *, links: bool = False) -> bytes:
    """The same of a file in a folder that is held by its descriptor."""
    descriptor = _open_in(folder, name, os.O_RDONLY, links)
    try:
        size = _size_of_file(descriptor)
        if size > most:
            raise OSError(errno.EFBIG, f"it is larger than {_megabytes(most)}")
        data = os.read(descriptor, size + 1)
        if len(data) <= size:
            return data  # as nearly always: nothing is behind it
        while len(data) <= most and (chunk := os.read(descriptor, _PIECE)):
            data += chunk
        if len(data) > most:
            raise OSError(errno.EFBIG, f"it is larger than {_megabytes(most)}")
        return data
    finally:
        os.close(descriptor)


def ask_for(folder: int, name: str) -> int | None:
    """The descriptor of a file that is read a little later: a disk fetches it while others are asked for.

    None for what takes another look.
    """
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return None
    try:
        if hasattr(os, "posix_fadvise"):  # macOS has none
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    except OSError:  # of what is no regular file
        os.close(descriptor)
        return None
    return descriptor


def read_small(descriptor: int, most: int) -> tuple[os.stat_result, bytes] | None:
    """The state of a regular file and all that it held then, which is closed; None for another, or a larger one."""
    try:
        state = os.fstat(descriptor)
        if stat.S_IFMT(state.st_mode) != stat.S_IFREG or state.st_size > most:
            return None
        data = os.read(descriptor, state.st_size + 1)
        return (state, data) if len(data) == state.st_size else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder in one that is there, with its group and mode; it may be there already, and be no link."""
    with held_folder(path.parent, links=True) as parent:
        try:
            os.mkdir(path.name, dir_fd=parent)
        except FileExistsError:
            with held_folder(path):
                return
        with held_folder(path) as folder:
            share(folder, parent)


def share(descriptor: int, folder: int) -> None:
    """Gives a file or folder that was just made the group and the mode of the folder that it is in."""
    made, parent = os.fstat(descriptor), os.fstat(folder)
    if made.st_gid != parent.st_gid:
        with suppress(PermissionError):  # a group that this user is not in
            os.fchown(descriptor, -1, parent.st_gid)
    mode = stat.S_IMODE(parent.st_mode) & ~stat.S_ISVTX
    mode = mode if stat.S_ISDIR(made.st_mode) else mode & 0o666
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)


def names_in(folder: str | Path) -> list[str]:
    """The names of what is in a folder, of which there may be very many."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def kind_of(path: Path) -> str | None:
    """What is at a path, in words; None for a regular file or nothing."""
    try:
        return _KINDS.get(stat.S_IFMT(path.lstat().st_mode))
    except OSError:
        return None


def _size_of_file(descriptor: int) -> int:
    """How many bytes a regular file has; OSError for anything else."""
    state = os.fstat(descriptor)
    kind = stat.S_IFMT(state.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, and no regular file")
    return state.st_size


def _open_in(folder: int, name: str, flags: int, links: bool) -> int:
    # O_NONBLOCK: opening a named pipe would wait for its other end.
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW)
    try:
        return os.open(name, flags & ~os.O_CREAT, dir_fd=folder)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, and links are not followed") from None
        raise
    try:
        descriptor = os.open(name, flags | os.O_EXCL, 0o600, dir_fd=folder)
    except FileExistsError:
        if links:  # a link to nothing: where it points is the user's to say
            return os.open(name, flags, 0o666, dir_fd=folder)
        return _open_in(folder, name, flags, links)  # somebody else made it in between
    share(descriptor, folder)
    return descriptor


def _megabytes(size: int) -> str:
    return f"{size / MIB:,g} MiB"
