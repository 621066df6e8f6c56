"""What a person writes about a run: annotation.json. No torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from engine.errors import RequestError
from engine.spec.messages import quote
from engine.storage.records.record import Record
from engine.texts import printable

LONGEST_NAME, LONGEST_NOTE, LONGEST_TAG, MOST_TAGS = 80, 2000, 30, 10  # characters, and tags

_Tag = Annotated[str, Field(max_length=LONGEST_TAG)]


@dataclass(frozen=True, kw_only=True)
class Annotation(Record):
    """A run's name, of one line, its note and its tags; any text may stand in them."""

    name: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    tags: Annotated[tuple[_Tag, ...], Field(max_length=MOST_TAGS)] = ()

    @classmethod
    def of(cls, name: str, note: str, tags: Iterable[str]) -> "Annotation":
        """What was typed, without spaces around it and without what no screen shows; a tag that comes twice is one.

        RequestError that says what is too long.
        """
        cleaned = tuple(dict.fromkeys(filter(None, map(_line, tags))))
        paragraphs = "\n".join(printable(line, LONGEST_NOTE + 1).rstrip() for line in note.splitlines()).strip()
        annotation = cls(name=_line(name), note=paragraphs, tags=cleaned)
        _refuse_long("the name", annotation.name, LONGEST_NAME)
        _refuse_long("the note", annotation.note, LONGEST_NOTE)
        for tag in cleaned:
            _refuse_long(f"the tag {quote(tag)}", tag, LONGEST_TAG)
        if len(cleaned) > MOST_TAGS:
            raise RequestError(f"a run has at most {MOST_TAGS} tags, and {len(cleaned)} were given; leave some out")
        return annotation

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written."""
        return self == Annotation()


def split_tags(text: str) -> list[str]:
    """The tags in a text that has commas between them."""
    return [tag.strip() for tag in text.split(",")]


def _line(text: str) -> str:
    return " ".join(printable(" ".join(text.split())).split())


def _refuse_long(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise RequestError(f"{what} has {len(text):,} characters, and at most {most:,} are kept; shorten it")
