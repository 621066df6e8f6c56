"""The flags of the command landscape: a run's, as far as they say something of a landscape, and its own. No torch."""

import shlex
from dataclasses import replace

from engine.spec.flags import FLAGS, Flag, flags_of, words_of
from engine.spec.landscape.request import CALIBRATION_IMAGES, LandscapeRequest, is_shared
from engine.spec.parts import RecoverSpec
from engine.spec.run import RunSpec
from engine.spec.settings import SpecField

_PART = "spec"  # the key that a run's settings stand under
_HELP = {
    "order": "layers-channels | channels-layers: what is cut first, and scored first",
    "target.metric": "what the shares of depth and width are of: macs | params | latency",
    "recover.calibration_images": (
        f"training images that reconstruction looks at; where nothing is said {CALIBRATION_IMAGES}, of large images "
        "fewer"
    ),
}


def _within(field: SpecField) -> SpecField:
    """A run's setting as one of a landscape's request."""
    setting = replace(field.setting, help=_HELP.get(field.name, field.setting.help), several=False)
    return replace(field, place=(_PART, *field.place), setting=setting)


_OWN = tuple(flag for flag in flags_of(LandscapeRequest) if flag.field.place[0] != _PART)
_SHARED = tuple(Flag(flag.name, _within(flag.field)) for flag in FLAGS if is_shared(flag.field))
LANDSCAPE_FLAGS = (*_SHARED, *_OWN)


def command_line(request: LandscapeRequest) -> str:
    """The shell command that queues the same landscape: what differs from the defaults, and what it is of."""
    # Some defaults hang on another setting.
    usual = LandscapeRequest(spec=RunSpec(recover=RecoverSpec(reconstruct=request.spec.recover.reconstruct)))
    words = words_of(LANDSCAPE_FLAGS, request.model_dump(mode="json"), usual.model_dump(mode="json"))
    return shlex.join(["espalier", "landscape", *words, "--submit"])
