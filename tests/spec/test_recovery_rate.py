"""The rate of a recovery hangs on what it comes after, and a spec always says which it is."""

import json

from engine.spec import flags
from engine.spec.run import RunSpec, parse
from engine.spec.settings import with_earlier


def test_a_recovery_after_a_reconstruction_is_gentle() -> None:
    assert parse({}).recover.lr == RunSpec().recover.lr == 0.003
    assert parse({"recover": {"epochs": 2}}).recover.lr == 0.003


def test_a_recovery_after_plain_cuts_has_the_rate_that_it_always_had() -> None:
    assert parse({"recover": {"reconstruct": False}}).recover.lr == 0.01


def test_a_rate_that_is_named_stays_whatever_it_comes_after() -> None:
    for reconstruct in (False, True):
        assert parse({"recover": {"reconstruct": reconstruct, "lr": 0.05}}).recover.lr == 0.05


def test_a_spec_is_the_same_one_when_it_is_read_from_its_own_json() -> None:
    for recover in ({}, {"reconstruct": False}, {"reconstruct": False, "lr": 0.003}, {"lr": 0.01}):
        spec = parse({"recover": recover})
        assert parse(json.loads(spec.canonical())) == spec


def test_requests_of_before_keep_their_rate_and_their_digest() -> None:
    plain = parse({"recover": {"reconstruct": False}})
    stored = plain.model_dump(mode="json")
    del stored["recover"]["reconstruct"]
    again = parse(with_earlier(stored, RunSpec))
    assert again.recover.lr == 0.01 and again.digest() == plain.digest()
    assert plain.digest() == parse({"recover": {"reconstruct": False, "lr": 0.01}}).digest()


def test_the_command_line_names_the_rate_where_it_is_not_the_usual_one() -> None:
    gentle_after_plain_cuts = parse({"recover": {"reconstruct": False, "lr": 0.003}})
    assert "--recover-lr 0.003" in flags.command_line("run", gentle_after_plain_cuts)
    assert "--recover-lr" not in flags.command_line("run", RunSpec())


def test_the_help_tells_both_rates() -> None:
    (flag,) = (flag for flag in flags.FLAGS if flag.name == "--recover-lr")
    assert "0.01" in flag.field.setting.help and flag.field.default == 0.003
