"""Where a run's weights come from: what the text of the request names. No torch."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.spec import ids


@dataclass(frozen=True)
class WeightsFile:
    """A weights file, and the key of the state dict in it that is meant; None where that is for the reader to find."""

    path: Path
    key: str | None


@dataclass(frozen=True)
class RunPoint:
    """A point of a run in the results folder, whose pruned network is what another run starts from."""

    run_id: str
    point: int


WeightsSource = Literal["none", "hub"] | WeightsFile | RunPoint


def parse(weights: str) -> WeightsSource:
    """What `weights` names: none, hub, RUN:POINT, FILE or FILE#KEY. A file whose own name has a # comes first."""
    if weights == "none":
        return "none"
    if weights == "hub":
        return "hub"
    if match := re.fullmatch(ids.POINT, weights):
        return RunPoint(match["run"], int(match["point"]))
    return parse_file(weights)


def parse_file(weights: str) -> WeightsFile:
    """The file that FILE or FILE#KEY names."""
    places = [match.start() for match in re.finditer("#", weights)]
    for place in (len(weights), *reversed(places)):
        if _is_file(weights[:place]):
            return WeightsFile(Path(weights[:place]), weights[place + 1 :] or None)
    return WeightsFile(Path(weights), None) if not places else WeightsFile(Path(weights[: places[-1]]), None)


def _is_file(path: str) -> bool:
    """Whether there is a file of that name; not where no file can have it, which is for who opens it to say."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
