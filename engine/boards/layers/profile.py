"""The layer profile of a network that was timed on a board: made there, read, and mapped back to its modules."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.boards.agent.session import Agent
from engine.boards.layers.assembly import with_layers
from engine.boards.layers.matching import match_all
from engine.boards.layers.names import read_names
from engine.boards.runtimes import Runtime
from engine.boards.trtexec.layer_times import parse_layer_times
from engine.errors import RequestError, WorkError
from engine.spec.board_timing import PointId
from engine.storage.timings.layers import LayerProfile
from engine.texts import one_line


def profile_layers(
    agent: Agent, runtime: Runtime, point: PointId, onnx: Path, path: str, image: Sequence[int]
) -> tuple[LayerProfile, float]:
    """The profile of the point whose network is the file `onnx` here and `path` on the board, and the tool's seconds.

    A profile that fails says why in its `why`: what was measured before is not lost for it.
    """
    settings = runtime.settings()
    made = LayerProfile(
        run=point.run,
        point=point.point,
        tool=settings.tool,
        version=settings.version,
        precision=settings.precision,
    )
    seconds = 0.0
    try:
        text, seconds = runtime.export_layers(agent, path, image)
        return read_profile(made, text, onnx), seconds
    except (RequestError, WorkError) as error:
        return replace(made, why=one_line(str(error), 1000)), seconds


def read_profile(made: LayerProfile, text: str, onnx: Path) -> LayerProfile:
    """`made` with the layers that trtexec exported as `text`, by the names of the network in the file `onnx`.

    Raises WorkError when the text holds no profile, RequestError when the file cannot be read.
    """
    times = parse_layer_times(text)
    matches = match_all([row.name for row in times.rows], read_names(onnx))
    return with_layers(made, times.rows, times.count, matches)
