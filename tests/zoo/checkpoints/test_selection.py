"""Which of several state dicts in a checkpoint is taken, and how another is named."""

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import RequestError
from engine.zoo import source
from engine.zoo.checkpoints import reading
from engine.zoo.source import RunPoint, WeightsFile

PLAIN, OTHER = {"a.weight": torch.ones(3)}, {"a.weight": torch.zeros(3)}


def taken(checkpoint: Any, tmp_path: Path, key: str | None = None) -> reading.Checkpoint:
    torch.save(checkpoint, tmp_path / "w.pt")
    return reading.read(tmp_path / "w.pt", key)


@pytest.mark.parametrize(
    "wrap",
    [
        *[lambda s, k=key: {k: s, "epoch": 3} for key in ("state_dict", "model_state_dict", "model", "net", "params")],
        *[lambda s, k=key: {k: s} for key in ("ema", "state_dict_ema", "model_ema", "network", "weights", "mine")],
        lambda s: {"checkpoint": {"state_dict": s}},
        lambda s: {"ema": {"module": s, "updates": 3}},
        lambda s: {"a": {"b": {"model": s}}},
        lambda s: {"state_dict": s, "best_acc1": torch.tensor(71.0), "loss": torch.zeros(3)},
    ],
)
def test_a_state_dict_is_found_in_its_usual_places(wrap: Any, tmp_path: Path) -> None:
    found = {f"layer{n}": torch.ones(3) for n in range(12)}
    assert taken(wrap(found), tmp_path).state.keys() == found.keys()


def test_plain_weights_come_before_averaged_ones_and_the_note_says_how_to_take_those(tmp_path: Path) -> None:
    both = {"state_dict_ema": OTHER, "state_dict": PLAIN}
    plain = taken(both, tmp_path)
    assert torch.equal(plain.state["a.weight"], torch.ones(3))
    assert plain.notes == (
        "weights are taken from state_dict; state_dict_ema is there, too (FILE#state_dict_ema takes it)",
    )
    averaged = taken(both, tmp_path, "state_dict_ema")
    assert torch.equal(averaged.state["a.weight"], torch.zeros(3))
    assert averaged.notes[0] == "averaged weights are taken, from state_dict_ema"


def test_a_key_names_inner_state_dicts_behind_dots_and_parts_of_one(tmp_path: Path) -> None:
    nested = {"model": PLAIN, "ema": {"module": OTHER}}
    for key in ("ema.module", "ema"):
        assert torch.equal(taken(nested, tmp_path, key).state["a.weight"], torch.zeros(3))
    inside = {"net.a.weight": torch.ones(3), "net_ema.a.weight": torch.zeros(3)}
    assert torch.equal(taken(inside, tmp_path, "net_ema").state["a.weight"], torch.zeros(3))


def test_a_key_that_is_not_there_and_several_strangers_are_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="hold no state dict under mine; there is model, ema"):
        taken({"model": PLAIN, "ema": OTHER}, tmp_path, "mine")
    with pytest.raises(RequestError, match="hold several state dicts: left, right; say which, as FILE#KEY"):
        taken({"left": PLAIN, "right": OTHER}, tmp_path)


def test_an_optimiser_by_itself_holds_no_weights(tmp_path: Path) -> None:
    state = {number: {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)} for number in range(2)}
    with pytest.raises(RequestError, match="hold no state dict"):
        taken({"state": state, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}, tmp_path)


def test_a_text_names_a_file_a_key_in_it_or_a_point_of_a_run(tmp_path: Path) -> None:
    file = tmp_path / "a#b.pt"
    file.touch()
    assert source.parse(str(file)) == WeightsFile(file, None)
    assert source.parse(f"{file}#ema.module") == WeightsFile(file, "ema.module")
    assert source.parse("none.pt#ema") == WeightsFile(Path("none.pt"), None)
    assert source.parse("20260101-000000-0a1b2c3d-2:17") == RunPoint("20260101-000000-0a1b2c3d-2", 17)
    assert (source.parse("none"), source.parse("hub")) == ("none", "hub")


def test_a_state_dict_in_a_tuple_is_found(tmp_path: Path) -> None:
    assert taken((PLAIN, {"param_groups": [{"lr": 0.1}]}, 3), tmp_path).state.keys() == PLAIN.keys()


def test_one_thing_under_very_many_names_is_looked_at_once(tmp_path: Path) -> None:
    inner: dict[str, Any] = {f"k{n}": 0 for n in range(20_000)}
    middle = {f"k{n}": inner for n in range(20_000)}
    with pytest.raises(RequestError, match="hold no state dict"):
        taken({"a": middle, "b": middle}, tmp_path)


def test_modules_that_stand_in_each_other_over_and_over_are_refused(tmp_path: Path) -> None:
    module = torch.nn.Linear(1, 1)
    for _ in range(30):
        module = torch.nn.Sequential(module, module)  # type: ignore[assignment]
    with pytest.raises(RequestError, match="hold a network of more than 20,000 modules"):
        taken(module, tmp_path)
