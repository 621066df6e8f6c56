"""Every criterion, order and method has a card that says everything, with a picture and a link."""

import re
from typing import get_args
from xml.etree import ElementTree

import pytest

from app import theme
from app.charts.methods.pen import HEIGHT, WIDTH, Pen
from app.methods import deck
from app.methods.card import KINDS, Card
from engine.spec.catalog import CRITERIA
from engine.spec.parts import DepthSpec, Measure, RecoverSpec, WidthSpec, criterion_of
from engine.spec.run import ORDERS

CARDS = pytest.mark.parametrize("card", deck.CARDS.values(), ids=lambda card: card.name)


def names_of(kind: str) -> list[str]:
    return [card.name for card in deck.CARDS.values() if card.kind == kind]


def test_every_criterion_order_and_method_has_a_card_in_the_catalogues_order() -> None:
    assert names_of("Criteria") == list(CRITERIA)
    assert names_of("Orders") == list(ORDERS)
    methods = [name for part in (DepthSpec, WidthSpec) for name in get_args(part.model_fields["method"].annotation)]
    assert set(names_of("Methods")) == set(methods)
    assert {"reconstruct", "distil", "reestimate_bn"} <= set(names_of("Reconstruction and recovery"))
    assert {"reconstruct", "distil", "reestimate_bn"} <= set(RecoverSpec.model_fields)
    assert {criterion_of(measure) for measure in get_args(Measure)} <= set(deck.CARDS)
    assert {card.kind for card in deck.CARDS.values()} == set(KINDS)


def test_every_card_says_everything_and_says_it_once() -> None:
    for card in deck.CARDS.values():
        assert all((card.title, card.sentence, card.formula, card.symbols, card.costs, card.alt)), card.name
        assert card.sentence.count(". ") == 0 and card.sentence.endswith("."), f"{card.name} has one plain sentence"
        assert card.paper.link.startswith("https://") and 1980 < card.paper.year < 2030, card.name
        assert card.formula.count("{") == card.formula.count("}"), f"{card.name}: braces of the formula"
    assert len({card.sentence for card in deck.CARDS.values()}) == len(deck.CARDS)


def test_what_a_criterion_needs_is_what_the_catalogue_says() -> None:
    for card in deck.of_kind("Criteria"):
        needs, declared = card.needs, CRITERIA[card.name]
        assert needs is not None
        assert needs.weights == (declared.needs != "nothing"), card.name
        assert needs.images == (declared.needs in ("gradients", "activations", "attempts")), card.name
        assert needs.gradients == (declared.needs == "gradients"), card.name
        assert needs.labels or declared.needs != "gradients", card.name
        authors = re.match(r"\w+", card.paper.authors)
        cited = declared.source == "the control" or (
            authors is not None and authors[0] in declared.source and str(card.paper.year) in declared.source
        )
        assert cited, f"{card.name} is {declared.source} in the catalogue and names {card.paper}"


@CARDS
def test_a_picture_is_a_whole_drawing_in_the_theme_it_is_drawn_for(card: Card) -> None:
    light, dark = (card.draw(Pen(ink.line, "#009E73")) for ink in (theme.LIGHT, theme.DARK))
    for drawing, ink, other in ((light, theme.LIGHT, theme.DARK), (dark, theme.DARK, theme.LIGHT)):
        root = ElementTree.fromstring(drawing)
        assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
        assert other.line not in drawing
        assert ink.line in drawing or "<text" not in drawing
    assert "#009E73" in light


def test_no_shape_lies_outside_its_drawing() -> None:
    for card in deck.CARDS.values():
        for node in ElementTree.fromstring(card.draw(Pen("#000000", "#009E73"))).iter():
            xs = [float(x) for x in (node.get("x"), node.get("cx")) if x is not None]
            ys = [float(y) for y in (node.get("y"), node.get("cy")) if y is not None]
            for point in (node.get("points") or "").split():
                x, y = point.split(",")
                xs.append(float(x))
                ys.append(float(y))
            assert all(0 <= x <= WIDTH for x in xs) and all(0 <= y <= HEIGHT for y in ys), (card.name, node.attrib)


def test_links_lead_to_cards_and_unknown_names_to_the_page() -> None:
    assert deck.link("taylor") == "methods?method=taylor"
    assert deck.link("my_own") == "methods"
    assert deck.links(["l1", "my_own", "bn_scale"]) == (
        "[L1 norm](methods?method=l1) · [BN scale](methods?method=bn_scale)"
    )
