"""Texts of strangers where a page, a chart or a spreadsheet would obey them."""

import csv
import io
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app import escape, text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bn_scale", r"bn\_scale"),
        ("![x](http://10.0.0.1/x.png)", r"!\[x\](http\://10.0.0.1/x.png)"),
        ("<script>*x*</script> $x$ :red[y] `z`", r"\<script>\*x\*\</script> \$x\$ \:red\[y\] \`z\`"),
        (":material/check: :smile: 10:30, a: b", r"\:material/check: \:smile: 10:30, a: b"),
        ("www.evil.example", r"www\.evil.example"),
        ("- x", r"\- x"),
        ("1. x", r"1\. x"),
        ("1.5 x", "1.5 x"),
        ("&lt;b>", r"\&lt;b>"),
        ("a\n\n# b\x1b[2J\u202ec", r"a \# b\[2Jc"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text: str, shown: str) -> None:
    assert escape.markdown(text) == shown


@given(st.text("ab1 \n\\`*_[]()<>$~#|&:./-+=!'\"w", max_size=40))
def test_what_markdown_makes_of_an_escaped_text_is_the_text(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(escape.markdown(text))
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    assert {child.type for child in inline} <= {"text", "text_special"}
    assert "".join(child.content for child in inline) == escape.plain(text)


@given(st.text("a `<[", max_size=20))
def test_a_message_keeps_its_commands_and_nothing_else(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(escape.message(text))
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "text_special", "code_inline"}


def test_a_message_keeps_its_commands() -> None:
    assert escape.message("no run_1; `espalier show run_1` lists") == r"no run\_1; `espalier show run_1` lists"
    assert escape.message("an odd ` and *x*") == r"an odd \` and \*x\*"


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\n" * 10_000_000 + "x", "\x00\ud800" * 1000, "é" * 500])
def test_a_text_is_one_short_line(text: str) -> None:
    for form in (escape.plain, escape.markdown, escape.html):
        assert len(form(text)) <= escape.LONGEST and form(text).isprintable()


def test_a_chart_shows_a_text_as_it_is() -> None:
    assert escape.html("<a href='x'>&</a><br>") == "&lt;a href='x'&gt;&amp;&lt;/a&gt;&lt;br&gt;"


FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "\n=1", '=HYPERLINK("http://x")', "-", "\tx"]
FORMULAS += ["\uff1d1", "\uff20x"]  # full width


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text(text: str) -> None:
    assert escape.cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=1", "", "'=1", "clutter", -1, 1.5, None, True, [1]])
def test_what_is_no_formula_stays(value: Any) -> None:
    assert escape.cell(value) == value


def test_numbers_of_a_table_stay_numbers_among_texts() -> None:
    table = pd.DataFrame({"a": [-1, 2], "b": ["=1", "x"], "c": [-1.5, None], "d": [None, "-x"], "e": [-1, "=x"]})
    rows = list(csv.reader(io.StringIO(escape.cells(table).to_csv(index=False))))
    assert rows[1:] == [["-1", "'=1", "-1.5", "", "-1"], ["2", "x", "", "'-x", "'=x"]]


def test_a_sentence_begins_with_a_capital_unless_it_begins_with_a_name() -> None:
    assert text.sentence("no block may go") == "No block may go."
    assert text.sentence("my/mine has none") == "my/mine has none."
    assert text.sentence("tx is away", "tx") == "tx is away."
