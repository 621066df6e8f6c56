"""The names of timm's networks, read from its files: importing timm takes torch and seconds. No torch."""

import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from engine.errors import RequestError
from engine.spec.messages import quote

TIMM = "timm/"
_REGISTERED = re.compile(r"^@register_model\s*\ndef (\w+)", re.MULTILINE)
# Files of transformers and mixers: their networks may be asked for, are refused by the name of their operation, and so
# are not listed among those to pick.
_TRANSFORMERS = re.compile(
    "beit|cait|coat|convit|crossvit|davit|deit|efficientformer.*|efficientvim|efficientvit_msra|eva|gcvit|hiera.*|levit|"
    "maxxvit|mlp_mixer|mobilevit|mvitv2|naflexvit|nest|pit|pvt_v2|sequencer|swin_transformer.*|tiny_vit|tnt|twins|"
    "vision_transformer.*|.*_vit|vitamin|volo|xcit"
)


def convolutional() -> tuple[str, ...]:
    """timm's convolutional networks as timm/NAME, in the order of their names; none where timm is not installed."""
    return tuple(TIMM + name for name, file in sorted(_registered().items()) if not _TRANSFORMERS.fullmatch(file))


def family_of(model: str) -> str:
    """The file of timm that has the network timm/NAME, such as resnet."""
    return _registered()[_base(model)]


def check(model: str) -> str:
    """`model`, timm/NAME or timm/NAME.TAG for the weights of that tag; RequestError when timm has none."""
    if _base(model) in _registered():
        return model
    from difflib import get_close_matches

    if not _registered():
        raise RequestError(f"{quote(model)} needs timm, which is not installed; run pip install 'timm>=1.0'")
    nearest = get_close_matches(model[:60], convolutional(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else "`espalier models timm` lists those there are"
    raise RequestError(f"timm has no network {quote(model.removeprefix(TIMM))}; {hint}")


def _base(model: str) -> str:
    return model.removeprefix(TIMM).partition(".")[0]


@cache
def _registered() -> Mapping[str, str]:
    """Each network's name and the file of timm that registers it."""
    found = importlib.util.find_spec("timm")  # looks for it, and imports nothing
    if found is None or found.origin is None:
        return {}
    names: dict[str, str] = {}
    for file in sorted((Path(found.origin).parent / "models").glob("*.py")):
        names |= dict.fromkeys(_REGISTERED.findall(file.read_text(encoding="utf-8")), file.stem)
    return names
