"""What makes a network, by name: one of the catalogue, of timm, or of the user's own. No torch at import."""

from engine.spec import catalog
from engine.spec.catalog import FAMILIES, Image
from engine.spec.images.made_for import MadeFor
from engine.spec.networks import own_names
from engine.spec.networks.timm_names import TIMM
from engine.zoo.declare import MAKERS, Maker
from engine.zoo.own import listing


def check_allowed(name: str) -> None:
    """RequestError unless a network of that name may be constructed: the one door for whoever names one.

    A file of code must be in this user's own list, wherever its name came from.
    """
    catalog.check_model(name)
    if own_names.is_own(name):
        listing.find(name)


def maker_of(name: str) -> Maker:
    """What makes the network `name`, which is allowed."""
    if name in MAKERS:
        return MAKERS[name]
    if name.startswith(TIMM):
        from engine.zoo import timm_networks

        return Maker(timm_networks.construct, timm_networks.published)
    from engine.zoo.own import source

    return Maker(lambda model, classes: source.construct(listing.find(model), classes), None)


def state_of(name: str) -> str:
    """What a network's code is now, for caches of what was worked out from it: "" for all but the user's own."""
    return listing.read_code(listing.find(name).path)[1] if own_names.is_own(name) else ""


def published_image(name: str) -> Image | None:
    """The images (3, height, width) that `name` was published for; None for a network of the user's own."""
    return None if own_names.is_own(name) else published_for(name)[0]


def published_for(name: str) -> tuple[Image, int]:
    """The images and the number of classes that `name`, which is none of the user's own, was published for."""
    if name in FAMILIES:
        return FAMILIES[name].image_of(name), FAMILIES[name].classes
    from engine.zoo import timm_networks

    return timm_networks.published_for(name)


def made_for(name: str) -> MadeFor:
    """Which images `name`, which is allowed, is made for: nobody says it of a network of the user's own."""
    return MadeFor(name, published_image(name))
