"""All cards by name, and the links that lead to them."""

from collections.abc import Iterable

from app import escape
from app.methods import criteria, recovery, removal
from app.methods.card import Card, Kind

PAGE = "methods"  # its address from any other page
CARDS: dict[str, Card] = {
    card.name: card for card in (*criteria.CARDS, *removal.ORDERS, *removal.METHODS, *recovery.CARDS)
}


def of_kind(kind: Kind) -> tuple[Card, ...]:
    """The cards of one kind, in order."""
    return tuple(card for card in CARDS.values() if card.kind == kind)


def link(name: str) -> str:
    """The address of a card, from any page; that of the page where there is no such card."""
    return f"{PAGE}?method={name}" if name in CARDS else PAGE


def links(names: Iterable[str]) -> str:
    """Markdown that names those which have a card, each a link to it; empty where none has."""
    return " · ".join(f"[{escape.markdown(CARDS[name].title)}]({link(name)})" for name in names if name in CARDS)
