"""`espalier layers`: both networks layer by layer, and why the pruned one is not faster."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli import layer_tables
from engine.latency.layers import sessions
from engine.storage.outcomes import layer_times
from engine.storage.store import Store
from tests.cli.conftest import Said

RUN = "20261121-062843-dccc3ec7"


def test_a_gallery_model_is_timed_beside_the_untouched_network_that_its_run_does_not_keep(
    espalier: Callable[..., Said], results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sessions, "_MOST", 2)
    run = Store(results).run(RUN)
    before = sorted(run.path.rglob("*"))
    said = espalier("layers", RUN, "--point", "4", "--json", "--progress-lines")
    assert said.code == 0, said.err
    assert "0.000 preparing both networks\n" in said.err and "0.900 timing layers, turn 10 of 10\n" in said.err
    document = said.json()
    assert sorted(run.path.rglob("*")) == before  # what is shipped is only read
    kept = layer_times.read(run, 4)
    assert kept is not None and kept.to_json() == {key: document[key] for key in ("untouched", "pruned")}
    assert [(each.point, each.fresh_weights) for each in (kept.untouched, kept.pruned)] == [(0, True), (4, None)]
    layers = {name for layer in kept.untouched.layers for name in layer.layers if layer.kind == "layer"}
    assert {"layer3.2.conv1", "fc"} <= layers and len(layers) == 22  # two of which the pruned network has no more
    assert {"widths", "copies"} <= {reason["cause"] for reason in document["reasons"]} and document["round_to"] in (
        8,
        16,
    )
    layer_tables.side_by_side(document)
    shown = capsys.readouterr().out
    assert f"{RUN}.4 beside {RUN}.0: onnxruntime" in shown and "× the MACs take" in shown
    assert "Point 0 is not kept as a file: the same network with fresh weights was timed." in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("layer3.2")] == [
        "layer3.2.conv1",
        "layer3.2.conv2",
    ]


def test_an_unknown_run_is_refused(refused: Callable[..., str]) -> None:
    assert "there is no run" in refused("layers", "20260131-095959-0a1b2c3d", "--point", "1")
