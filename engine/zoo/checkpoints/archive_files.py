"""Checkpoints that are zip archives: torch's, TorchScript's, and NumPy's. No torch; no code in them is read."""

import zipfile
from dataclasses import dataclass
from typing import Any

from engine.storage import archives, files
from engine.zoo.checkpoints import arrays, pickles
from engine.zoo.checkpoints.values import SIZES, BrokenError, OddTensor, Storage, TensorRef, UnfitError, contiguous

MOST_PICKLED = 16 * files.MIB  # bytes of what is no tensor's numbers; the largest network's takes 0.2
_PICKLE = "data.pkl"
_PLAUSIBLE = 64 * files.MIB  # of NumPy's numbers, that may compress to anything
_BEST_RATIO = 50  # how far compressing shrinks weights of which most are zero, and then some


@dataclass(frozen=True)
class Members:
    """The numbers of tensors in an archive, by the keys of their storages."""

    archive: archives.Archive
    folder: str
    suffix: str = ""
    header: bool = False  # whether each begins with one of NumPy's
    unpacked: int = 0  # bytes that all of them inflate to, where they may be compressed

    def read(self, storage: Storage, size: int) -> bytearray:
        """The first `size` bytes of a storage; BrokenError where it has fewer."""
        name = f"{self.folder}{storage.key}{self.suffix}"
        member = self.archive.members.get(name)
        if member is None or member.file_size < size:
            raise BrokenError
        try:
            with self.archive.reader(name) as reader:
                skipped = arrays.header(reader.read(arrays.LONGEST_HEADER))[3] if self.header else 0
            buffer = bytearray(member.file_size)
            with self.archive.reader(name) as reader:
                reader.fill(memoryview(buffer))
        except (archives.DamagedArchiveError, MemoryError):
            raise BrokenError from None
        return buffer[skipped:] if skipped else buffer


def read(archive: archives.Archive, size: int) -> tuple[Any, Members]:
    """The value in an archive of `size` bytes, where its numbers are."""
    pickled = [name for name in archive.members if name.rpartition("/")[2] == _PICKLE]
    if len(pickled) == 1:
        folder = pickled[0].removesuffix(_PICKLE)
        _check_members(archive, folder, size)
        with archive.reader(pickled[0]) as reader:
            value = pickles.read(reader.read(MOST_PICKLED))
        return value, Members(archive, f"{folder}data/")
    if archive.members and all(name.endswith(".npy") for name in archive.members):
        unpacked = sum(member.file_size for member in archive.members.values())
        return _numpy(archive, size, unpacked), Members(archive, "", ".npy", header=True, unpacked=unpacked)
    raise BrokenError


def _check_members(archive: archives.Archive, folder: str, size: int) -> None:
    """UnfitError or BrokenError where an archive of torch's is larger inside than it is."""
    members = [
        member
        for name, member in archive.members.items()
        if name == f"{folder}{_PICKLE}" or name.startswith(f"{folder}data/")
    ]
    is_stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    if not is_stored or sum(member.file_size for member in members) > size:
        raise UnfitError("are compressed, or have members that overlap, which torch.save never writes")
    if archive.members[f"{folder}{_PICKLE}"].file_size > MOST_PICKLED:
        raise UnfitError(f"hold more than {MOST_PICKLED // files.MIB} MiB beside the numbers of tensors")
    order = archive.members.get(f"{folder}byteorder")
    if order is not None and order.file_size < 16:
        with archive.reader(order.filename) as reader:
            if reader.read(16).strip() == b"big":
                raise UnfitError(
                    "were written by a machine whose bytes stand the other way round; save them there anew"
                )


def _numpy(archive: archives.Archive, size: int, unpacked: int) -> dict[str, Any]:
    if unpacked > max(_PLAUSIBLE, _BEST_RATIO * size):
        raise UnfitError(f"would become {unpacked:,} bytes of the {size:,} in the file, which is no archive of weights")
    return {name.removesuffix(".npy"): _array(archive, name) for name in archive.members}


def _array(archive: archives.Archive, name: str) -> TensorRef | OddTensor:
    with archive.reader(name) as reader:
        kind, size, fortran, offset = arrays.header(reader.read(arrays.LONGEST_HEADER))
    if kind is None:
        return OddTensor("an array of something else than plain numbers")
    reference = TensorRef(Storage(name.removesuffix(".npy"), kind, 0), kind, 0, size, contiguous(size, fortran=fortran))
    if reference.numel * SIZES[kind] != archive.members[name].file_size - offset:
        raise BrokenError
    return TensorRef(Storage(name.removesuffix(".npy"), kind, reference.numel), kind, 0, size, reference.stride)
