"""A sweep's file: which runs it makes, and one sentence for each that is none."""

import pytest

from engine.errors import RequestError
from engine.spec.run import RunSpec, parse
from engine.spec.sweep import document, grid, yaml_text


def runs(text: str, *, many: bool = False) -> tuple[RunSpec, ...]:
    return grid.runs(document.read(yaml_text.parse(text, "x.yaml"), "x.yaml"), many=many)


def test_lists_make_a_grid_in_which_seeds_vary_fastest() -> None:
    made = runs("name: a\nspec: {seed: [0, 1], criterion: [l1, obs+taylor], train: {lr: [1e-3, 0.1]}}")
    assert [(x.criterion, x.train.lr, x.seed) for x in made] == [
        (criterion, lr, seed) for criterion in ("l1", "obs+taylor") for lr in (0.001, 0.1) for seed in (0, 1)
    ]


def test_a_text_that_begins_as_a_number_is_a_text() -> None:
    assert yaml_text.parse("{a: 1e-3 against 1e-2, b: 1e-3, c: 2e4}", "x.yaml") == {
        "a": "1e-3 against 1e-2", "b": 0.001, "c": 20000.0,
    }  # fmt: skip


def test_two_runs_of_one_digest_are_told_and_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunSpec, "digest", lambda spec: "0a1b2c3d")
    with pytest.raises(RequestError, match="two runs of this grid have the same digest, 0a1b2c3d"):
        runs("name: a\nspec: {seed: [0, 1]}")
    assert len(runs("name: a\nspec: {seed: 0}\ninclude: [{criterion: bn_scale}]")) == 1


def test_a_spec_without_a_grid_is_the_run_that_it_is_elsewhere() -> None:
    spec = "model: resnet20, target: {keep: [0.8, 0.5]}, data: {image_size: [32, 48]}, keep_layers: [conv1]"
    (only,) = runs(f"name: a\nspec: {{{spec}}}")
    asked = {"target": {"keep": [0.8, 0.5]}, "data": {"image_size": [32, 48]}, "keep_layers": ["conv1"]}
    assert only.digest() == parse(asked).digest()


def test_of_settings_that_are_lists_themselves_several_lists_make_a_grid() -> None:
    made = runs("name: a\nspec: {target: {keep: [[0.8], [0.5, 0.3]]}, keep_layers: [[layer1.*=0.9], null]}")
    assert [(x.target.keep, x.keep_layers) for x in made] == [
        (keep, layers) for keep in ((0.8,), (0.5, 0.3)) for layers in (("layer1.*=0.9",), None)
    ]
    sizes = runs("name: a\nspec: {data: {image_size: [32, 48, 64], normalize: [imagenet, [[0, 0, 0], [1, 1, 1]]]}}")
    assert len(sizes) == 6 and {x.data.image_size for x in sizes} == {32, 48, 64}


def test_distilled_quantised_adaptive_and_combined_are_dimensions_like_any_other() -> None:
    made = runs(
        "name: a\nspec: {int8: [false, true], recover: {distil: [false, true]}, width: {rank: [score, per-saving]},"
        " criterion: [obs, obs+taylor]}"
    )
    told = {(x.int8, x.recover.distil, x.width.rank, x.criterion) for x in made}
    assert len(made) == len(told) == 16


def test_a_list_of_objects_varies_settings_together_and_include_and_exclude_make_exceptions() -> None:
    made = runs("""
name: a
spec:
  criterion: [l1, obs]
  recover: [{epochs: 2, lr: [0.003, 0.01]}, {epochs: 0, reconstruct: false}]
exclude:
  - {criterion: l1, recover: {epochs: 0}}
include:
  - {criterion: random, recover: {epochs: 1}, seed: [0, 1]}
  - {criterion: obs, recover: {epochs: 2, lr: 0.01}}
""")
    told = [(x.criterion, x.recover.epochs, x.recover.lr, x.seed) for x in made]
    assert told == [
        ("l1", 2, 0.003, 0), ("l1", 2, 0.01, 0), ("obs", 2, 0.003, 0), ("obs", 2, 0.01, 0), ("obs", 0, 0.01, 0),
        ("random", 1, 0.003, 0), ("random", 1, 0.003, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: a\nspec: {criterion: []}", "criterion is a list with nothing in it"),
        ("name: a\nspec: {train: {lr: []}}", "train.lr is a list with nothing in it"),
        ("name: a\nspec: {target: {keep: []}}", "target.keep must name 1 to 100 ratios"),
        ("name: a\nspec: {critrion: [l1]}", "unknown key 'critrion'; did you mean criterion?"),
        ("name: a\nspec: {seed: [0, 1, 0]}", "seed names 0 twice"),
        ("name: a\nspec: {seed: [0, x]}", r"seed must be a whole number .*\(in the run of the grid with seed x\)"),
        ("name: a\nspec: {order: [layers, channels], width: {rank: score}}", r"leave it out \(.* with order layers\)"),
        ("name: a\nspec: {}\nexclude: [{criterion: l1}]", "exclude names criterion l1, which no run of the grid has"),
        (
            "name: a\nspec: {}\nexclude: [{critrion: l1}]",
            "exclude has an unknown key 'critrion'; did you mean criterion?",
        ),
        ("name: a\nspec: {}\nexclude: [{train: {x: 1}}]", "exclude has an unknown key 'train.x'"),
        ("name: a\nspec: {seed: [0, 1]}\nexclude: [{seed: [0, 1]}]", "exclude leaves no run"),
        ("name: a\nspec: {}\ninclude: []", "include of x.yaml is a list with nothing in it"),
        ("name: a\nspec: {}\ninclude: [l1]", "include of x.yaml must be a list of objects"),
        ("name: a\nspec: {1: [2, 3]}", "the spec has a key that is no text"),
        ("name: a\nspec: {recover: [{1: 2, a: 3}]}", "the spec has a key in recover that is no text"),
        ("name: a\nspec: [l1]", "spec of x.yaml must be an object"),
        ("name: a\nspec: {}\nthreads: true", "threads of x.yaml must be a whole number of 1 to 1,024"),
        ("name: 2026-01-01\nspec: {}", "name of x.yaml must be text .*; put it in quotes"),
        ("", "x.yaml has nothing in it; a sweep has a name and a spec"),
        ("name: ''\nspec: {}", "an experiment's name is one line"),
        ("spec: {}", "x.yaml has no name"),
        ("nam: a", "unknown key 'nam'; did you mean name?"),
        ("just text", "x.yaml holds 'just text'"),
        ("name: [a", "x.yaml is not YAML: line 1"),
        ("name: a\nname: b", "line 1: the key 'name' is there twice"),
        ("a: &b [1]\nc: *b", r"line 2: aliases \(\*\) are not read"),
        ("a: !!python/object/apply:os.system [ls]", "x.yaml is not YAML"),
        ("[" * 600, "x.yaml is not YAML"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as refused:
        runs(text)
    assert "\n" not in str(refused.value)


def test_a_grid_that_is_larger_than_anybody_means_is_refused_before_it_is_made() -> None:
    seeds = list(range(1_001))
    with pytest.raises(RequestError, match=r"this grid has 1,001 runs, and at most 1,000 go; .* give --yes"):
        runs(f"name: a\nspec: {{seed: {seeds}}}")
    assert len(runs(f"name: a\nspec: {{seed: {seeds}}}", many=True)) == 1_001
    huge = f"name: a\nspec: {{seed: {seeds}, train: {{lr: {[n / 1000 for n in range(1, 999)]}}}}}"
    for many in (True, False):  # and is not told to ask for what is refused then, too
        with pytest.raises(
            RequestError, match=r"this grid has 998,998 runs, and at most 100,000 go; .* several sweeps$"
        ):
            runs(huge, many=many)
