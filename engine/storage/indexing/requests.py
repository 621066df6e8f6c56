"""What the index takes over of a run's request: its settings, and the phases that follow from it. No torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic_core import from_json

from engine.errors import RequestError, WorkError
from engine.spec import phases
from engine.spec.run import RunSpec
from engine.spec.settings import columns_of, settings_of
from engine.storage import atomic
from engine.storage.indexing.request_values import RequestValues

COLUMNS = columns_of(RunSpec)
VALUES = RequestValues(COLUMNS)
_KEPT = RequestValues({"keep": next(field for field in settings_of(RunSpec) if field.name == "target.keep")})
_SEED = b'"seed":'
_NUMBER = re.compile(rb" ?(0|[1-9][0-9]{0,14})(?=[\s,}])")  # as it is written here
_ANY = 271_828_182_845_904  # stands for any seed
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """`settings` by the keys that rows have them by; `phases` is the request as far as its phases follow from it."""

    settings: Mapping[str, Any]
    phases: RunSpec


def stored_request(text: bytes, path: str) -> StoredRequest:
    """The request in the text of the file at `path`; WorkError for one that is damaged.

    Runs that differ in nothing but their seed come one after the other, and their texts are the same but for it.
    """
    before, _, after = text.partition(_SEED)
    seed = _NUMBER.match(after)
    if seed is not None and _SEED not in after:
        alike = _of_any_seed(b"%b%b %d%b" % (before, _SEED, _ANY, after[seed.end() :]))
        if alike is not None:
            return StoredRequest({**alike.settings, "seed": int(seed[1])}, alike.phases)
    return _of_document(atomic.parse_object(text, path, "it"))


@lru_cache(maxsize=_MOST_KEPT)
def _of_any_seed(text: bytes) -> StoredRequest | None:
    """The request in a text with `_ANY` seed; None where that is not the request's own, or where anything is wrong."""
    try:
        document = from_json(text, allow_inf_nan=False)
        return _of_document(document) if document.get("seed") == _ANY else None
    except (AttributeError, TypeError, RecursionError, ValueError, RequestError, WorkError):
        return None  # whoever reads the whole text says which


def _of_document(document: Mapping[str, Any]) -> StoredRequest:
    return StoredRequest(VALUES(document) | _KEPT(document), phases.of_request(document))
