"""Who may write where, in words: of folders that several people share. No torch."""

import grp
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any


def unwritable(path: Path) -> Path | None:
    """What keeps this user from writing the file at `path`: itself, or the folder that is to hold it."""
    for place in (path, path.parent):
        if os.path.lexists(place):
            return None if os.access(place, os.W_OK) else place
    return None


def lacks_permission(path: Path) -> str:
    """Why this user cannot write to what is at a path, and who can help: the end of a sentence about it."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "cannot be written to: its disk is mounted read-only"
    state = path.stat()
    owner = _name_of(pwd.getpwuid, state.st_uid)
    group = _name_of(grp.getgrgid, state.st_gid)
    mode = stat.S_IMODE(state.st_mode)
    return (
        f"cannot be written to: it belongs to {owner} (group {group}, mode {mode:o}); "
        f"join that group and have {owner} run chmod -R g+w on it, or choose another one"
    )


def _name_of(look_up: Callable[[int], Any], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
