"""Which images a network is made for. No torch."""

from dataclasses import dataclass

from engine.spec.catalog import Image


@dataclass(frozen=True)
class MadeFor:
    """A network's name, and the images (3, height, width) that it is made for; None where nobody says that."""

    model: str
    image: Image | None
