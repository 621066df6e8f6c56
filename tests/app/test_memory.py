"""Room that is free between what is held goes back to the system."""

import psutil

from app import memory


def test_what_was_freed_between_things_that_stay_is_given_back() -> None:
    pieces = [bytes(4000) for _ in range(50_000)]
    stays = pieces[::50]
    full = psutil.Process().memory_info().rss
    del pieces
    memory.give_back()
    assert psutil.Process().memory_info().rss < full - 100e6 and len(stays) == 1000
