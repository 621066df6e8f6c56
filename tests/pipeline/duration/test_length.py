"""A run's length, and how much of it is behind before anything is measured."""

import pytest

from engine.pipeline.duration import length
from engine.spec import run as specs


@pytest.mark.parametrize(
    ("request_", "epochs"),
    [
        ({"target": {"keep": [0.6]}, "recover": {"epochs": 5}, "train": {"epochs": 20}}, 22 + 10 + 2),
        ({"target": {"keep": [0.6, 0.4]}, "recover": {"epochs": 0}, "train": {"epochs": 3}}, 5 + 2 * 2),
        ({"target": {"lose": 1.0}, "recover": {"epochs": 2}, "train": {"epochs": 3}}, 5 + length.SEARCH + 1 + 2),
        ({"target": {"keep": [0.6]}, "recover": {"epochs": 0}, "train": {"epochs": 3}, "int8": True}, 5 + 2 + 1),
    ],
)
def test_it_is_counted_in_epochs(request_: dict[str, object], epochs: float) -> None:
    assert length.epochs(specs.parse(request_), trains=True) == epochs


def test_weights_that_are_given_take_no_epochs_unless_they_are_carried_over() -> None:
    spec = specs.parse({"train": {"epochs": 20}})
    assert length.baseline_epochs(spec, trains=True) == 20 and length.baseline_epochs(spec, trains=False) == 0
    pair = specs.parse({"data": {"name": "mnist5k>digits"}, "transfer": {"adapt_epochs": 7}})
    assert length.baseline_epochs(pair, trains=False) == 7


def test_a_short_run_is_seen_to_move_before_pytorch_is_there() -> None:
    short = specs.parse(
        {"weights": "hub", "train": {"epochs": 0}, "order": "channels", "recover": {"epochs": 0}}
        | {"target": {"keep": [0.9, 0.8, 0.7, 0.6, 0.5]}}
    )
    begun, imported = (length.share_prepared(short, part) for part in (length.PROCESS, length.PYTORCH))
    assert 0.01 <= begun < imported < length.PREPARATION / length.epochs(short, trains=False)
