"""What is put side by side: kinds by the settings that differ, places by network, images, baseline, target and seed."""

from dataclasses import replace

import pytest

from engine.comparison.cells import match
from engine.errors import RequestError
from tests.support.measured import criteria, figure


def test_kinds_are_made_by_what_differs_besides_seeds_and_images() -> None:
    rows = [
        figure(0.8, seed, changes={"criterion": name, "order": "channels", "data": {"name": data}})
        for name in ("l1", "l2")
        for data in ("clutter", "digits")
        for seed in (0, 1)
    ]
    cells = match(rows, ())
    assert [kind.name for kind in cells.kinds] == ["l1", "l2"] and cells.by == ("criterion",)
    assert len(cells.values) == 4 and not cells.left_out
    assert {place.origin for place in cells.values} == {("resnet20", "clutter"), ("resnet20", "digits")}


def test_settings_that_are_not_compared_are_matched() -> None:
    rows = [
        figure(0.8, changes={"criterion": name, "order": order, "recover": {"epochs": epochs}})
        for name, order, epochs in [("l1", "channels", 1), ("l2", "channels", 1), ("l1", "layers-channels", 2)]
    ]
    cells = match(rows, ["criterion"])
    assert cells.by == ("criterion",) and cells.beside == ("order", "recover_epochs")
    assert [place.beside for place in cells.values] == ["channels, recovery epochs 1"]
    assert cells.left_out == ("resnet20, clutter, 0.5× MACs, seed 0, layers-channels, recovery epochs 2: no run of l2",)
    assert [kind.name for kind in match(rows[:2], ["--criterion"]).kinds] == ["l1", "l2"]
    with pytest.raises(RequestError, match="do not differ in 'scope'; they differ in order, criterion, recover_epochs"):
        match(rows, ["scope"])


def test_what_is_not_measured_everywhere_is_left_out_by_name() -> None:
    rows = criteria({"l1": [0.8, 0.7, 0.6, 0.5], "l2": [0.8, 0.7]})
    rows.append(replace(rows[2], settings={**rows[2].settings, "criterion": "l2"}, value=None))
    cells = match(rows, ())
    assert [place.seed for place in cells.values] == [0, 1]
    assert [each.split(", ", 3)[-1] for each in cells.left_out] == [
        "seed 2: not measured of l2",
        "seed 3: no run of l2",
    ]


def test_runs_that_began_with_other_networks_are_never_compared() -> None:
    rows = criteria({"l1": [0.8, 0.7], "l2": [0.8, 0.7]})
    rows[3] = replace(rows[3], baseline=(0.5, 0.5, 0.5, 100.0, 1000.0))
    cells = match(rows, ())
    assert [place.seed for place in cells.values] == [0]
    assert cells.left_out[0].endswith("seed 1: the runs did not begin with the same network")
    unknown = [replace(row, baseline=None) for row in rows]
    with pytest.raises(RequestError, match=r"no place in common: .*same network \(and so on, 2 places in all\)"):
        match(unknown, ())


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"name": "digits"}},
        {"data": {"limit": 500}},
        {"data": {"image_size": 32}},
        {"model": "resnet56"},
        {"train": {"epochs": 40}},
    ],
    ids=str,
)
def test_other_images_networks_and_trainings_are_other_places(other: dict[str, object]) -> None:
    rows = [figure(0.8, changes={"criterion": "l1"}), figure(0.8, changes={"criterion": "l2", **other})]
    with pytest.raises(RequestError, match="these 2 kinds of runs have no place in common: resnet"):
        match(rows, ())


def test_of_a_run_that_was_made_again_the_newest_counts() -> None:
    rows = [figure(0.8, created=2.0, run_id="new"), figure(0.1, created=1.0, run_id="old")]
    cells = match(rows, ())
    assert list(cells.values.values()) == [(0.8,)] and cells.runs == {"these runs": ("new",)}
    assert cells.notes == ("1 figure was measured more than once; of each the newest run's counts",)


def test_too_many_kinds_are_refused_with_the_settings_that_make_them() -> None:
    rows = [figure(0.8, changes={"recover": {"epochs": number}}) for number in range(41)]
    with pytest.raises(RequestError, match=r"41 kinds of runs are too many .* --by .*: recover_epochs"):
        match(rows, ())
