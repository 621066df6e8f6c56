"""What two previews of the same have in common."""

from typing import Any


def without_times(document: Any) -> Any:
    """A preview's JSON without what depends on the clock."""
    if isinstance(document, list):
        return [without_times(item) for item in document]
    if isinstance(document, dict):
        return {k: without_times(item) for k, item in document.items() if k not in ("seconds", "loading")}
    return document
