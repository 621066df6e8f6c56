"""Specs: the file of `--spec`, and mappings that a program hands over."""

import ast
import json
import shlex
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.trial import Kind
from engine.cli import spec_file
from engine.spec import board_timing
from engine.spec import run as run_spec
from engine.spec.flags import command_line

_DEFAULTS = run_spec.parse({}).model_dump(mode="json")
_VALID: tuple[dict[str, Any], ...] = (
    _DEFAULTS,
    {"model": "resnet56", "criterion": "l1", "order": "layers", "depth": {"method": "direct", "floor": 0.8}},
    {"data": {"name": "mnist5k>npz:x.npz"}, "transfer": {"confidence": 0.8}},
    {"data": {"name": "npz:x.npz", "limit": 100}, "weights": "w.pth", "target": {"metric": "params", "keep": 0.5}},
    {
        "width": {"method": "progressive", "select": "accuracy"},
        "order": "channels",
        "attempt": {"race": True},
        "seed": 3,
    },
    {},
)
_TIMING = {"device": "tx2", "points": [{"run": "20260131-095959-0a1b2c3d", "point": 1}], "precision": "fp16"}
# What JSON cannot say: keys that are no text, bytes, tuples, sets, complex numbers and infinities.
_INFINITE = "infinite, in the file"
_KEYS: tuple[Any, ...] = (None, 0, -1, 1.5, True, b"x", (), ("model",), "\ud800", "x" * 5000, "", "a\nb", 1j)
_VALUES: tuple[Any, ...] = (b"model", (), {1, 2}, 1j, 10**4000, "\ud800", ("a", ("b",)), {0: {1: 2}}, _INFINITE)


def _attempt(folder: Path, tried: Input) -> None:
    tried.write(folder)
    if "spec.py" in tried.files:
        raw = ast.literal_eval((folder / "spec.py").read_text(encoding="utf-8", errors="surrogatepass"))
    else:
        raw = spec_file.read(folder / "spec.json")
    if "device" in raw and "points" in raw:
        request = board_timing.parse(raw)
        json.dumps(request.model_dump(mode="json"), allow_nan=False).encode()
        return
    spec = run_spec.parse(raw)
    text = spec.canonical()
    assert run_spec.parse(json.loads(text)) == spec, "a spec is not what its own JSON says"
    assert len(spec.digest()) == len(spec.group()) == 8
    text.encode()
    shlex.split(command_line("run", spec))


def _with_odd_parts(valid: dict[str, Any], place: str, key: Any, value: Any) -> Input:
    inner = valid.get(place)
    parts = [(key, value) if key is not None else (place, value)]
    raw = {**valid, place: dict([*inner.items(), *parts])} if isinstance(inner, dict) else {**valid, **dict(parts)}
    return Input({"spec.py": ascii(raw).replace(repr(_INFINITE), "1e999").encode()})


_FILES = [damage.damaged_files({"spec.json": damage.damaged_document(valid)}) for valid in (*_VALID, _TIMING)]
_BYTES = damage.damaged_bytes(damage.dumps(_DEFAULTS, indent=1)).map(lambda data: Input({"spec.json": data}))
_OBJECTS = st.builds(
    _with_odd_parts,
    st.sampled_from(_VALID),
    st.sampled_from([*_DEFAULTS, ""]),
    st.sampled_from(_KEYS),
    st.sampled_from(_VALUES) | st.sampled_from(_KEYS),
)
KIND = Kind("specs", st.one_of(*_FILES, _BYTES, _OBJECTS), _attempt)
