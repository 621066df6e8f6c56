"""Number fields: whatever is typed reaches the request, and what is not allowed is said beside a button that is off."""

import pytest

from app.launch import fields
from app.launch.request import Wrong
from engine.storage.store import Store
from tests.support.screen import app, captions, errors


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50%", 0.5),
        ("50 %", 0.5),
        ("0,5", 0.5),
        (" .5 ", 0.5),
        ("1e-4", 0.0001),
        ("33.3 %", 0.333),
        ("−4", -4.0),
        ("", None),
        ("  ", None),
        ("half", "half"),
        ("5e", "5e"),
        ("%", "%"),
        ("0.5 ms", "0.5 ms"),
    ],
)
def test_a_number_is_read_as_people_write_it_and_any_other_text_stays(text: str, number: object) -> None:
    assert fields.read(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e9", 1_000_000_000), ("1,024", 1024), ("5,0", 5), ("-4", -4), ("0.5", 0.5), ("99999", 99_999), ("x", "x")],
)
def test_a_whole_number_is_one_where_it_can_be(text: str, number: object) -> None:
    value = fields.read(text, is_whole=True)
    assert value == number and isinstance(value, int) == isinstance(number, int)


@pytest.mark.parametrize("value", [0.1, 0.003, 0.0005, 1 / 3, 20, 4.0, 1e-12, 65_536, 0.9999])
def test_what_a_field_shows_is_read_as_the_same_number(value: float) -> None:
    assert fields.read(fields.shown(value), is_whole=isinstance(value, int)) == value


# A field of each section, in the order of the page; "" where the field may be empty.
FIELDS = {
    "launch_epochs_True": "20",
    "launch_lr": "0.1",
    "launch_batch": "128",
    "launch_limit": "",
    "launch_val": "0.1",
    "launch_round": "1",
    "launch_least": "0",
    "launch_recover": "5",
    "launch_rlr": "0.003",
    "launch_calibration": "",
    "launch_ridge": "0.001",
}


def test_no_field_keeps_a_value_back_that_is_out_of_range(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    assert not at.number_input, "a browser keeps what a number field refuses"
    for key, usual in FIELDS.items():
        at.text_input(key=key).set_value("-4").run()
        assert len(errors(at)) == 1 and "-4" in errors(at)[0], key
        assert at.button(key="refused").disabled and errors(at)[0] in captions(at), "and why, beside the button"
        at.text_input(key=key).set_value(usual).run()
        assert not errors(at), key
    at.text_input(key="launch_epochs_True").set_value("1e9").run()
    assert "The number of epochs before pruning must be a whole number" in errors(at)[0]
    at.text_input(key="launch_epochs_True").set_value("99999").run()
    assert not errors(at) and "--train-epochs 99999" in at.code[0].value
    at.text_input(key="launch_epochs_True").set_value("").run()
    assert errors(at) and results.runs() == []


def test_what_is_typed_as_per_cent_or_with_a_comma_is_asked_for(submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_keep").set_value(["50%", "0,35", "80 %"]).run()
    at.text_input(key="launch_val").set_value("20 %").run()
    at.button(key="launch_recover+").click().run()
    at.button(key="launch_epochs_True−").click().run()
    assert not errors(at)
    for words in ("--keep 0.8,0.5,0.35", "--val-fraction 0.2", "--recover-epochs 6", "--train-epochs 19"):
        assert words in at.code[0].value
    at.segmented_control(key="launch_question").set_value("accuracy").run()
    at.segmented_control(key="launch_wish").set_value("at_least").run()
    at.text_input(key="launch_at_least").set_value("88,5 %").run()
    assert not errors(at) and "--at-least 0.885" in at.code[0].value
    at.text_input(key="launch_at_least").set_value("150").run()
    assert errors(at) == ["The accuracy to keep must be a number above 0 and below 100 per cent (got 150)."]


def test_a_field_of_per_cent_says_what_it_takes() -> None:
    assert Wrong("a.b", "x") == Wrong("a.b", "x", missing=False)
