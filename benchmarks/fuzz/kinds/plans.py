"""Plans in a run folder that somebody else prepared, and the weights beside them: what export and resume read."""

import json
import struct
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.trial import Kind
from engine.storage import atomic
from engine.storage.store import GALLERY
from engine.surgery import serialization

_MODELS = sorted(GALLERY.iterdir())[0] / "models"
_PLAN, _WEIGHTS = atomic.read_json(_MODELS / "p20.plan.json"), (_MODELS / "p20.safetensors").read_bytes()
_NAMES = (
    "resnet56",
    "resnet18",
    "vgg19",
    "fasterrcnn_resnet50_fpn",
    "vit_b_16",
    "get_model",
    "raft_large",
    "../x",
    "deeplabv3",
)
_SIDES = ([3, 65536, 65536], [3, 1, 1], [3, 224, 224], [1, 32, 32], [3, 32], [3, 10**9, 10**9], [3, 0, 32])


def _header() -> tuple[dict[str, object], bytes]:
    (size,) = struct.unpack("<Q", _WEIGHTS[:8])
    return json.loads(_WEIGHTS[8 : 8 + size]), _WEIGHTS[8 + size :]


def _attempt(folder: Path, tried: Input) -> None:
    (folder / "models").mkdir()
    Input({"models/p1.plan.json": damage.dumps(_PLAN), "models/p1.safetensors": _WEIGHTS}).write(folder)
    tried.write(folder)
    module, plan = serialization.read(folder / "models" / "p1.plan.json", folder / "models" / "p1.safetensors")
    assert plan.model == _PLAN["model"] and not module.training, "weights of one network fit another"


def _inputs() -> SearchStrategy[Input]:
    header, data = _header()
    plans = damage.damaged_document(_PLAN)
    named = st.sampled_from(_NAMES).map(lambda name: damage.dumps({**_PLAN, "model": name}))
    sized = st.sampled_from(_SIDES).map(lambda image: damage.dumps({**_PLAN, "image": image, "steps": []}))
    weights = damage.damaged_document(header, 2).map(lambda text: struct.pack("<Q", len(text)) + text + data)
    plan_files = st.one_of(plans, plans, plans, plans, damage.damaged_bytes(damage.dumps(_PLAN)), named, sized)
    plan_input = damage.damaged_files({"models/p1.plan.json": plan_files})
    weight_input = damage.damaged_files({"models/p1.safetensors": weights})
    return st.one_of(plan_input, plan_input, plan_input, weight_input)


KIND = Kind("plans", _inputs(), _attempt)
