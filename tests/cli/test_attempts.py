"""What the commands tell of attempts: exact scores of blocks, and the record of a run's steps."""

from collections.abc import Callable
from typing import Any

from tests.support.timing import short_timing

Espalier = Callable[..., Any]
DIGITS = ("--data", "digits", "--limit", "48")
UNTRAINED = ("--train-epochs", "0", "--recover-epochs", "0")


def test_exact_scores_of_blocks_come_with_what_is_left_right(espalier: Espalier) -> None:
    document = espalier("scores", "--scope", "blocks", "--criterion", "accuracy", *DIGITS, "--json").json()
    scores = document["scores"]
    assert all(entry["total"] == 48 and 0 <= entry["correct"] <= 48 for entry in scores)
    baseline = {round(48 * entry["score"]) + entry["correct"] for entry in scores}
    assert len(baseline) == 1
    assert "correct without it" in espalier("scores", "--scope", "blocks", "--criterion", "loss", *DIGITS).out


def test_a_criterion_for_blocks_does_not_score_channels(espalier: Espalier) -> None:
    answer = espalier("scores", "--scope", "channels", "--criterion", "cka", *DIGITS)
    assert answer.code == 2
    assert "scores whole blocks" in answer.err


def test_what_was_attempted_is_shown_step_by_step(espalier: Espalier) -> None:
    direct = ("--order", "layers", "--depth", "direct", "--keep", "0.8")
    with short_timing():
        run_id = espalier("run", *DIGITS, *UNTRAINED, *direct, "--json").json()["run_id"]
    document = espalier("show", run_id, "--attempts", "--json").json()
    assert [record["step"] for record in document["attempts"]] == [1, 2]
    assert len(document["attempts"][0]["attempts"]) == 7
    assert "attempts" not in espalier("show", run_id, "--json").json()
    answer = espalier("show", run_id, "--attempts").out
    assert "layers step 2" in answer
    assert answer.count("removed") == 2
