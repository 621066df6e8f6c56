"""The cards on the page: all of one kind side by side, or one of them in full."""

import streamlit as st

from app import escape, theme
from app.charts.methods.pen import Pen
from app.methods import deck
from app.methods.card import KINDS, Card, Kind
from engine.spec.catalog import CRITERIA

KIND_KEY, CARD_PARAMETER = "about", "method"  # of the page's address, too
_STEEL = "#6B7B8C"  # of drawings that are of no criterion
_INTRODUCTIONS: dict[Kind, str] = {
    "Criteria": "What decides how much a channel or a layer matters. Open one to see it at work on a small network.",
    "Orders": "What goes first: whole layers, channels, or both in turn.",
    "Methods": "How what goes is looked for: by one look, or by trying.",
    "Reconstruction and recovery": "How what is left gets its accuracy back.",
}


def open_card(name: str) -> None:
    """Turns the page to one card; a callback."""
    st.query_params[CARD_PARAMETER] = name
    st.session_state[KIND_KEY] = deck.CARDS[name].kind


def close_card() -> None:
    """Turns the page to all cards of a kind; a callback."""
    st.query_params.pop(CARD_PARAMETER, None)


def select() -> tuple[Kind, Card | None]:
    """The kind that is chosen and the card that is open; a name in the address that no card has is said to be none."""
    name = st.query_params.get(CARD_PARAMETER)
    card = None if name is None else deck.CARDS.get(name)
    if KIND_KEY not in st.session_state and KIND_KEY not in st.query_params:
        st.session_state[KIND_KEY] = KINDS[0] if card is None else card.kind
    kind = st.segmented_control(
        "What to read about",
        KINDS,
        required=True,
        key=KIND_KEY,
        bind="query-params",
        label_visibility="collapsed",
        on_change=close_card,
    )
    if name is not None and card is None:
        st.warning(
            f"There is no method named {escape.markdown(name)}; choose one of those below.",
            icon=":material/search_off:",
        )
    return kind or KINDS[0], card


def show_all(kind: Kind) -> None:
    """A small card for each of a kind, with a button that opens it."""
    st.markdown(_INTRODUCTIONS[kind])
    with st.grid(4, gap="small", min_column_width=230):
        for card in deck.of_kind(kind):
            with st.container(border=True, height="stretch", gap="small"):
                _picture(card)
                st.markdown(f"**{escape.markdown(card.title)}**  \n{card.sentence}")
                st.button(
                    f"Open {card.title}",
                    icon=":material/open_in_full:",
                    key=f"open-{card.name}",
                    type="tertiary",
                    on_click=open_card,
                    args=(card.name,),
                )


def show_one(card: Card) -> None:
    """Everything that one card says."""
    with st.container(border=True, gap="small"):
        _picture(card)
        st.subheader(card.title, anchor=card.name)
        st.markdown(card.sentence)
        st.latex(card.formula)
        st.caption(card.symbols)
        needs = "what its criterion needs" if card.needs is None else card.needs.in_words()
        st.markdown(f"**Needs** {needs}.  \n**Costs** {card.costs[:1].lower()}{card.costs[1:]}")
        paper = card.paper
        st.markdown(f"**Paper** [{paper.authors} {paper.year}, *{paper.title}*]({paper.link})")
    siblings = [each for each in deck.of_kind(card.kind) if each.name != card.name]
    with st.container(horizontal=True, gap="small"):
        st.button(f"All {card.kind.lower()}", icon=":material/arrow_back:", key="all-cards", on_click=close_card)
        with st.popover("Another one", icon=":material/menu_book:"):
            for other in siblings:
                st.button(
                    other.title, key=f"open-{other.name}", type="tertiary", on_click=open_card, args=(other.name,)
                )


def _picture(card: Card) -> None:
    ink = theme.ink()
    colour = theme.criterion_colour(card.name) if card.name in CRITERIA else _STEEL
    st.image(card.draw(Pen(ink.line, colour)), width="stretch", alt=card.alt)
