"""What a card of the page Methods says: of a criterion, an order, a method, or a way to get accuracy back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from app.charts.methods.pen import Pen

Kind = Literal["Criteria", "Orders", "Methods", "Reconstruction and recovery"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Paper:
    """Where something was published."""

    authors: str
    year: int
    title: str
    link: str


@dataclass(frozen=True)
class Needs:
    """What has to be at hand."""

    weights: bool = True
    images: bool = False
    labels: bool = False
    gradients: bool = False

    def in_words(self) -> str:
        """The same, for a sentence that begins with *Needs*."""
        if self.images:
            labels = "images with labels" if self.labels else "images, but no labels"
            return labels + (", and gradients" if self.gradients else "")
        return "the weights alone, no images" if self.weights else "nothing"


NOTHING = Needs(weights=False)
WEIGHTS = Needs()
IMAGES = Needs(images=True)
LABELLED = Needs(images=True, labels=True)
GRADIENTS = Needs(images=True, labels=True, gradients=True)


@dataclass(frozen=True)
class Card:
    """One entry: its name in specs and links, and everything that a student is told of it."""

    name: str
    kind: Kind
    title: str
    sentence: str
    formula: str  # LaTeX
    symbols: str  # what the letters stand for
    paper: Paper
    needs: Needs | None  # None: what the criterion that goes with it needs
    costs: str
    draw: Callable[[Pen], str]
    alt: str  # of the picture
