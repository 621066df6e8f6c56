"""A setting is said once, where its field is declared: one that is added there is a flag, a column and a heading."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from engine.errors import RequestError
from engine.spec import board_timing, flags
from engine.spec.board_timing import TimingRequest
from engine.spec.run import RunSpec, parse
from engine.spec.settings import Setting, arrange, columns_of, label_of, section_of, settings_of
from engine.storage.store import Store
from tests.support import runs
from tests.support.places import ROOT

# Two requests, each with one more field, taken for the project's own before anything else is imported.
_WIDER = """
import json, sys
from pathlib import Path
from typing import Annotated
from pydantic import Field
from engine.spec import board_timing, run
from engine.spec.settings import Setting

class WiderRun(run.RunSpec):
    gloss: Annotated[float, Setting("how much it shines", heading="shine", label="the shine", unit="lm",
                                    section="recover", costs_time=True)] = Field(0.5, ge=0)
    finish: Annotated[str | None, Setting("a file", path=True, section="recover")] = None

class WiderTiming(board_timing.TimingRequest):
    warm_up: Annotated[int, Setting("turns that do not count")] = 2

run.RunSpec, board_timing.TimingRequest = WiderRun, WiderTiming
"""
_USED = """
from app import text
from app.launch import request as forms
from app.tables import points
from engine.errors import RequestError
from engine.spec import board_timing, flags
from engine.cli import spec_file
from engine.spec.settings import columns_of
from engine.storage.store import Store
from tests.support import runs

heard = []

def listen(requests: flags.Requests) -> None:
    heard.extend(requests)

def listen_to_timing(settings: flags.Arguments) -> None:
    heard.append(settings)

import typer
for command, words in ((flags.with_spec_flags(spec_file.read)(listen), ["--gloss", "0.7"]),
                       (flags.with_timing_flags(listen_to_timing), ["--warm-up", "5"])):
    app = typer.Typer(add_completion=False)
    app.command()(command)
    app(words, standalone_mode=False)

results = Store(Path(sys.argv[1]), gallery=Path(sys.argv[1]) / "none")
given = run.parse(heard[0])
runs.finished(results, given)
timing = {"device": "tx2", "points": [{"run": "20260101-000000-01234567", "point": 0}], **heard[1]}
results.create_timing(board_timing.parse(timing))
frame = points.tidy(results.points())
refused = forms.build(forms.Request({"gloss": -1}, ("l1",), False, (0,)))
print(json.dumps({
    "command": flags.command_line("submit", given),
    "runs": sorted(row["gloss"] for row in results.runs()),
    "points": sorted(set(frame["gloss"])),
    "differing": points.differing_settings(frame),
    "absolute": Path(run.parse({"finish": "varnish"}).finish).is_absolute(),
    "heading": points.SETTINGS["gloss"],
    "told": any("shine 0.7 lm" in text.hover(row) for row in frame.to_dict("records")),
    "refused": [refused.section, refused.sentence],
    "timings": [row["warm_up"] for row in results.timings()],
    "timing_heading": columns_of(WiderTiming)["warm_up"].heading,
}))
"""


def run_wider(code: str, *arguments: str) -> str:
    call = [sys.executable, "-c", _WIDER + code, *arguments]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_field_that_is_added_is_a_flag_a_column_and_a_heading_and_old_rows_are_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "none")
    runs.finished(store, parse({}))
    assert "gloss" not in store.runs()[0]
    output = json.loads(run_wider(_USED, str(tmp_path / "results")))
    assert output == {
        "command": "espalier submit --model resnet20 --data clutter --criterion bn_scale"
        " --order layers-channels --gloss 0.7",
        "runs": [0.5, 0.7],
        "points": [0.5, 0.7],
        "differing": ["gloss"],
        "absolute": True,
        "heading": "shine",
        "told": True,
        "refused": ["recover", "The shine must be a number of at least 0 (got -1)."],
        "timings": [5],
        "timing_heading": "warm up",
    }


@pytest.mark.parametrize(
    ("command", "help"), [("run", "how much it shines"), ("device time", "turns that do not count")]
)
def test_a_field_that_is_added_stands_in_the_commands_help(command: str, help: str) -> None:
    code = "from engine.cli.main import main\nraise SystemExit(main(sys.argv[1:]))"
    assert help in " ".join(run_wider(code, *command.split(), "--help").replace("│", " ").split())


def test_every_field_of_a_request_is_a_setting() -> None:
    for model in (RunSpec, TimingRequest):
        top = {field.place[0] for field in settings_of(model)}
        assert top == set(model.model_fields) - {"schema_version"}
        assert all(field.setting.help for field in settings_of(model) if field.flag)


def test_every_setting_of_a_run_is_a_column_but_the_ratios_which_are_a_points_own() -> None:
    assert [field.name for field in settings_of(RunSpec) if field.column is None] == ["target.keep"]
    assert all(section_of(RunSpec, field.name) is not None for field in settings_of(RunSpec))


def test_orders_of_help_and_table_name_settings_that_there_are() -> None:
    from app.tables import points

    names = {field.name for field in settings_of(RunSpec)}
    for order in (flags._HELP_ORDER, points._ORDER):
        assert set(order.split()) <= names and len(order.split()) == len(set(order.split()))


class Part(BaseModel):
    first: Annotated[int, Setting("one")] = 1
    new: Annotated[bool, Setting("two", column=None)] = False
    last: Annotated[tuple[float, ...], Setting("three", flag=None, label="the last")] = (0.5,)


class Whole(BaseModel):
    schema_version: Literal[1] = 1
    name: Annotated[str, Setting("zero", "--called", section="network")]
    part: Annotated[Part, Setting(section="data")] = Part()


def test_the_walk_gives_every_setting_with_its_place_type_and_default() -> None:
    assert [(field.name, field.annotation, field.default) for field in settings_of(Whole)] == [
        ("name", str, None),
        ("part.first", int, 1),
        ("part.new", bool, False),
        ("part.last", tuple[float, ...], [0.5]),
    ]
    assert [flag.name for flag in flags.flags_of(Whole)] == ["--called", "--first", "--new"]
    assert list(columns_of(Whole)) == ["name", "first", "last"]


def test_a_setting_that_an_order_does_not_name_follows_the_one_before_it() -> None:
    order = arrange(settings_of(Whole), "part.last part.first name")
    assert [field.name for field in order] == ["part.last", "part.first", "part.new", "name"]


@pytest.mark.parametrize(
    ("name", "section"),
    [("name", "network"), ("part", "data"), ("part.last", "data"), ("part.last.0", "data"), ("x", None), (None, None)],
)
def test_a_field_belongs_to_the_section_of_its_part(name: str | None, section: str | None) -> None:
    assert section_of(Whole, name) == section


def test_a_form_calls_a_field_by_its_label_or_else_by_its_path() -> None:
    assert label_of(Whole, "part.last") == "the last" and label_of(Whole, "part.first") == "part.first"


def test_a_refused_timing_names_its_field() -> None:
    point = {"run": "20260101-000000-01234567", "point": 0}
    for more, field in (({"rounds": 0}, "rounds"), ({"points": [point, point]}, "points"), ({"device": "-"}, "device")):
        with pytest.raises(RequestError) as caught:
            board_timing.parse({"device": "tx2", "points": [point], **more})
        assert caught.value.field == field


def test_a_field_of_which_nothing_is_said_and_two_of_one_name_are_mistakes() -> None:
    class Silent(BaseModel):
        silent: int = Field(1)

    class Twice(BaseModel):
        one: Annotated[int, Setting("x")] = 1
        other: Annotated[int, Setting("y", flag="--one")] = 1

    for model, sentence in ((Silent, "Silent.silent has no Setting"), (Twice, "are called --one")):
        with pytest.raises(TypeError, match=sentence):
            settings_of(model)


def test_no_column_hides_what_a_row_has_besides(tmp_path: Path) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "none")
    run = runs.finished(store, parse({}))
    summary: set[str] = set(store.runs()[0])
    own = {key for point in run.points() for key in point.to_json()}
    assert not own & set(columns_of(RunSpec)) and set(columns_of(RunSpec)) < summary
    rows: list[dict[str, Any]] = store.points()
    assert all(set(columns_of(RunSpec)) <= set(row) for row in rows)
