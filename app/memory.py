"""What this process gives back of its memory."""

import ctypes


def give_back() -> None:
    """Gives to the system what was freed: glibc keeps room between what is still held, in case it is needed again.

    After a table of many runs that is several times what the table takes. Other C libraries have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
