"""Requests that may not be made: one sentence that says what is allowed, exit code 2, nothing left behind."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., str]


@pytest.mark.parametrize("command", ["submit", "run"])
@pytest.mark.parametrize(
    ("flags", "fragment"),
    [
        (("--model", "resnet21"), "unknown model 'resnet21'; did you mean"),
        (("--criterion", "bnscale"), "did you mean bn_scale?"),
        (("--criterion", "l1+l1"), "names one twice"),
        (("--criterion", "l1+"), "unknown criterion ''"),
        (("--data", "cluter"), "did you mean clutter?"),
        (("--data", "npz:"), "has no path"),
        (("--data", "mnist5k>"), "dataset 'mnist5k>' has no target"),
        (("--data", "digits>digits"), "'digits' is both source and target"),
        (("--data", "mnist5k>digits>clutter"), "names more than two datasets"),
        (("--data", "mnist5k>digit"), "did you mean digits?"),
        (("--order", "channel-layers"), "did you mean channels-layers?"),
        (("--keep", "0"), "target.keep must be a list of numbers above 0 and at most 1 (got 0)"),
        (("--keep", "0.5,1.5"), "(got 1.5)"),
        (("--keep", "nan"), "finite"),
        (("--keep", "half"), "--keep takes numbers joined by commas"),
        (("--keep", ""), "--keep takes numbers joined by commas"),
        (("--keep", "0.5,0.50"), "names 0.5 twice"),
        (("--keep", ",".join(str(n / 1000) for n in range(1, 200))), "1 to 100 ratios"),
        (("--metric", "time"), "target.metric must be macs, params or latency"),
        (("--depth", "exact"), "depth.method must be one-shot or direct"),
        (("--depth", "direct", "--order", "channels"), "has no phase for them"),
        (("--width", "progressive", "--order", "layers"), "has no phase for them"),
        (("--floor", "0.9"), "depth.floor ends direct removal"),
        (("--depth", "direct", "--floor", "1"), "depth.floor must be a number above 0 and below 1 (got 1)"),
        (("--attempt-fraction", "0", "--width", "progressive"), "width.attempt_fraction must be a number above 0"),
        (("--attempt-fraction", "1", "--width", "progressive"), "and below 1 (got 1)"),
        (("--attempt-fraction", "0.2"), "width.attempt_fraction belongs to width.method progressive"),
        (("--least-share", "0.2", "--order", "layers"), "width.least_share is of channels, and the order layers"),
        (("--rank", "score", "--order", "layers"), "width.rank is of channels, and the order layers"),
        (("--rank", "per-saving", "--scope", "uniform"), "width.rank is of width.scope global"),
        (("--rank", "per-saving", "--width", "progressive"), "progressive has width.select"),
        (("--rank", "best"), "width.rank must be score or per-saving (got 'best')"),
        (("--keep-layer", "layer9", "--keep-layer", "conv1"), "keep_layers has 'layer9', which names no layer"),
        (("--keep-layer", "conv1=1.5"), "keep_layers takes NAME, or NAME=SHARE with a share above 0 and at most 1"),
        (("--keep-layer", "conv1,conv1=0.5"), "keep_layers names 'conv1' twice"),
        (("--keep-layer", "conv1,,fc"), "keep_layers takes NAME, or NAME=SHARE"),
        (("--step-batches", "4"), "recover.between_steps_batches needs depth.method direct"),
        (("--race",), "attempt.race needs depth.method direct"),
        (
            ("--measure", "los", "--depth", "direct"),
            "attempt.measure must be accuracy, loss, divergence, cka or reconstruction",
        ),
        (("--measure", "cka", "--race", "--order", "alternate"), "not cka"),
        (("--measure", "reconstruction", "--race", "--order", "alternate"), "not reconstruction"),
        (
            ("--measure", "reconstruction", "--criterion", "l1", "--order", "layers", "--depth", "direct"),
            "which measures reconstruction; give obs as the criterion",
        ),
        (("--criterion", "reconstruction"), "unknown criterion 'reconstruction'"),
        (("--criterion", "accuracy"), "scores whole blocks"),
        (("--criterion", "l1", "--order", "layers", "--depth", "direct"), "has no part in direct removal"),
        (("--distil", "--recover-epochs", "0"), "recover.distil needs recover.epochs"),
        (("--latency-table", "/nowhere.json"), "read for the metric latency only"),
        (("--depth-share", "1.1"), "at least 0 and at most 1"),
        (("--limit", "0"), "data.limit must be a whole number of at least 1 (got 0)"),
        (("--limit", "many"), "--limit"),
        (("--val-fraction", "1"), "above 0 and below 1"),
        (("--val-fraction", "inf"), "finite"),
        (("--train-epochs", "-1"), "train.epochs must be a whole number of at least 0"),
        (("--train-epochs", "2.5"), "--train-epochs"),
        (("--batch-size", "1"), "of at least 2"),
        (("--round-to", "0"), "of at least 1 and at most 256"),
        (("--seed", "-1"), "seed must be a whole number of at least 0 and below 2,147,483,648 (got -1)"),
        (("--seed", "one"), "--seed takes whole numbers"),
        (("--seed", "3,3"), "names one twice"),
        (("--device", "tpu"), "device must be auto, cpu or cuda"),
        (("--weights", ""), "weights is empty"),
        (("--weights", "x" * 5000), "more than 255 bytes"),
        (("--weights", "~nobody-of-that-name/w.pth"), "no home folder"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_a_flag_that_says_nothing_possible(
    refused: Refused, command: str, flags: tuple[str, ...], fragment: str
) -> None:
    assert fragment in refused(command, *flags)


@pytest.mark.parametrize("command", ["submit", "run"])
@pytest.mark.parametrize(
    ("flags", "fragment"),
    [
        (
            ("--order", "layers", "--keep", "0.05"),
            "keep 0.05 of the macs cannot be met with order layers: at least",
        ),
        (("--order", "channels", "--keep", "0.0001"), "every layer keeps as few channels as it may"),
        (("--order", "layers", "--keep", "0.01", "--metric", "params"), "keep 0.01 of the params cannot be met"),
        (("--data", "digits", "--limit", "1"), "training needs at least 2"),
        (("--data", "digits", "--data-root", "."), "takes no data.root"),
        (("--data", "digits", "--val-fraction", "0.9999"), "too few to cut"),
        (("--data", "imagenet"), "imagenet needs data.root"),
        (("--data", "digits>imagenet"), "imagenet needs data.root"),
        (("--data", "digits>clutter", "--data-root", "."), "takes no data.root"),
        (("--data", "cifar10>cifar100"), "cifar10 has 10 classes, and cifar100 has 100 classes"),
        (("--data", "cifar10>mnist5k"), "class 'airplane' of cifar10 is not in mnist5k"),
        (("--data", "imagenet", "--data-root", "/nowhere"), "/nowhere"),
        (("--data", "digits", "--weights", "hub", "--model", "vgg16_bn"), "there are no hub weights for vgg16_bn"),
    ],
)
def test_a_request_that_cannot_be_met(refused: Refused, command: str, flags: tuple[str, ...], fragment: str) -> None:
    assert fragment in refused(command, *flags)


def test_cuda_on_a_computer_without_it(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for command in ("submit", "run"):
        assert "no CUDA GPU" in refused(command, "--data", "digits", "--device", "cuda")


def test_run_takes_one_seed(refused: Refused) -> None:
    assert refused("run", "--seed", "0,1") == "run takes one seed; submit takes several"


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ({"modle": "resnet20"}, "unknown key 'modle'; did you mean model?"),
        ({"target": {"kep": [0.5]}}, "unknown key 'target.kep'; did you mean keep?; allowed there: metric, keep"),
        ({"schema_version": 2}, "schema_version 2; this version reads 1"),
        ({"schema_version": True}, "schema_version true"),
        ({"schema_version": "1"}, "schema_version '1'"),
        ({"data": "digits"}, "data must be an object with the keys name, root"),
        ({"data": None}, "data must be an object"),
        ({"train": [1]}, "train must be an object"),
        (
            {"train": {"epochs": True}},
            "train.epochs must be a whole number of at least 0 and at most 100,000 (got true)",
        ),
        ({"train": {"epochs": "20"}}, "(got '20')"),
        ({"train": {"epochs": 2.0}}, "(got 2)"),
        ({"train": {"epochs": 10**40}}, "at most 100,000"),
        ({"train": {"lr": "fast"}}, "train.lr must be a number above 0"),
        ({"train": {"lr": True}}, "(got true)"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": "0,1"}, "seed must be a whole number"),
        ({"seed": [0, 1]}, "(got a list)"),
        ({"seed": 1.5}, "(got 1.5)"),
        ({"target": {"keep": 0.5}}, "target.keep must be a list of numbers"),
        ({"target": {"keep": "0.5"}}, "target.keep must be a list of numbers"),
        ({"target": {"keep": []}}, "1 to 100 ratios"),
        ({"target": {"keep": ["0.5"]}}, "(got '0.5')"),
        ({"target": {"keep": [True]}}, "(got true)"),
        ({"recover": {"between_phases": 1}}, "recover.between_phases must be true or false (got 1)"),
        ({"recover": {"distil": 1}}, "recover.distil must be true or false (got 1)"),
        ({"width": {"method": "gradual"}}, "width.method must be one-shot or progressive"),
        ({"width": {"layers_per_step": 0.5}}, "width.layers_per_step belongs to width.method progressive"),
        ({"data": {"normalize": "mnist"}}, "data.normalize must be imagenet, cifar10, cifar100 or [[3 means]"),
        ({"data": {"normalize": [[0, 0, 0], [1, 1]]}}, "data.normalize must be"),
        ({"data": {"normalize": [[0, 0, 0], [1, 0, 1]]}}, "deviations above 0"),
        ({"model": 20}, "model must be text (got 20)"),
        ({"model": None}, "model must be text (got null)"),
        ({"model": "x" * 100_000}, "unknown model"),
        ({"model": "\ud800"}, "model"),
        ({"weights": "a\0b"}, "zero byte"),
        ({"data": {"name": "npz:a\0b"}}, "zero byte"),
        ({"weights": "\ud800.pth"}, "not text"),
    ],
)
def test_a_spec_file_with_something_wrong_in_it(refused: Refused, tmp_path: Path, content: Any, fragment: str) -> None:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(content))
    for command in ("submit", "run"):
        assert fragment in refused(command, "--spec", str(file))


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "is not JSON"),
        ("{model: resnet20}", "is not JSON"),
        ("[]", "holds a list with nothing in it; a spec is one JSON object"),
        ('"resnet20"', "holds 'resnet20'"),
        ("null", "holds null"),
        ("[" * 100_000, "is not JSON"),
        ('{"train": {"lr": 1e999}}', "train.lr must be a finite number above 0 (got inf)"),
        ('{"train": {"epochs": 1e999}}', "(got inf)"),
        ('{"train": {"lr": NaN}}', "(got nan)"),
        ('{"seed": 1' + "0" * 5000 + "}", "is not JSON"),
        ('{"seed": 1' + "0" * 400 + "}", "seed must be a whole number"),
        ('{"train": {"lr": 1' + "0" * 400 + "}}", "train.lr must be a number"),
    ],
)
def test_a_spec_file_that_holds_no_spec(refused: Refused, tmp_path: Path, text: str, fragment: str) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)
    assert fragment in refused("submit", "--spec", str(file))


def test_a_spec_file_that_cannot_be_read(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "latin1.json").write_bytes(b'{"model": "r\xe9snet"}')
    assert "No such file" in refused("submit", "--spec", str(tmp_path / "absent.json"))
    assert "it is a folder, and no regular file" in refused("submit", "--spec", str(tmp_path))
    assert "is not JSON" in refused("submit", "--spec", str(tmp_path / "latin1.json"))
    assert "File name too long" in refused("submit", "--spec", "x" * 300)
    os.mkfifo(tmp_path / "pipe")
    assert "it is a named pipe, and no regular file" in refused("submit", "--spec", str(tmp_path / "pipe"))
    assert "it is a device, and no regular file" in refused("run", "--spec", "/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 << 30)
    assert "it is larger than 4 MiB" in refused("submit", "--spec", str(tmp_path / "large"))


def test_a_flag_into_a_part_that_is_no_object(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"data": []}')
    sentence = refused("submit", "--spec", str(tmp_path / "spec.json"), "--limit", "5")
    assert sentence == "data in the spec file must be an object (got a list with nothing in it)"


@pytest.mark.parametrize("command", ["show", "cancel", "resume", "delete", "export", "time"])
@pytest.mark.parametrize(
    "run_id",
    ["../..", "..", "a b", "", "laufübung", "%s", "20260131-095959-0a1b2c3d/..", "\udc80", "x" * 9000, "-x", "\x1b[2J"],
)
def test_an_id_that_is_none(refused: Refused, command: str, run_id: str) -> None:
    point = ("--point", "0") if command in ("export", "time") else ()
    sentence = refused(command, run_id, *point)
    assert ("is not a run id" in sentence or "No such option" in sentence) and len(sentence) < 1100


@pytest.mark.parametrize("command", ["show", "cancel", "resume", "delete", "export", "time"])
def test_an_id_that_no_run_has(refused: Refused, results: Path, command: str) -> None:
    point = ("--point", "0") if command in ("export", "time") else ()
    assert "there is no run" in refused(command, "20260131-095959-0a1b2c3d", *point)
    assert not results.exists()


def test_a_command_that_is_none_or_is_incomplete(refused: Refused) -> None:
    assert "prune" in refused("prune")
    assert "criterion" in refused("scores", "--scope", "blocks").lower()
    assert "point" in refused("time", "20260131-095959-0a1b2c3d").lower()
    assert "id" in refused("show").lower()


def test_scores_of_an_unknown_scope_or_split(refused: Refused) -> None:
    assert "allowed: channels, blocks" in refused("scores", "--criterion", "l1", "--scope", "layers")
    assert "allowed: val, test" in refused("scores", "--criterion", "l1", "--scope", "blocks", "--split", "train")
    assert "data.limit" in refused("scores", "--criterion", "l1", "--scope", "blocks", "--limit", "0")
    assert "unknown criterion" in refused("scores", "--criterion", "magic", "--scope", "blocks")


def test_models_and_sheets_of_an_unknown_model(refused: Refused) -> None:
    assert "did you mean" in refused("models", "--model", "resnet2")
    assert "did you mean" in refused("sheet", "--model", "resnet2")
    assert "no weights file" in refused("sheet", "--weights", "/nowhere/w.pth")
