"""Which class of a target is which of the source's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.domains.classes import Classes, match
from engine.errors import RequestError


def named(dataset: str, *names: str) -> Classes:
    return Classes(dataset, len(names), names)


@given(
    st.lists(st.text(max_size=3), unique=True, min_size=1, max_size=6).flatmap(
        lambda n: st.tuples(st.just(n), st.permutations(n))
    )
)
def test_names_match_in_any_order(names: tuple[list[str], list[str]]) -> None:
    source, target = names
    found = match(named("folder:a", *source), named("folder:b", *target))
    assert [source[number] for number in found.numbers] == target
    assert found.notes == ()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Classes("cifar10", 10), named("npz:a", *"0123456789")),
        (named("digits", *"0123456789"), Classes("cifar10", 10)),
        (Classes("a", 3), Classes("b", 3)),
    ],
)
def test_as_long_as_names_are_not_known_their_number_decides(source: Classes, target: Classes) -> None:
    assert match(source, target).numbers == tuple(range(source.count))
    with pytest.raises(RequestError, match=f"{source.dataset} has {source.count} classes, and other has 11 classes"):
        match(source, Classes("other", 11))


def test_numbers_of_an_archive_are_those_of_names_in_order_and_a_note_says_so() -> None:
    names, numbers = named("folder:a", *"pqrs"), named("npz:b", *"3579")
    assert match(names, numbers).notes == ("classes are matched by their order: 3 is p, 5 is q, 7 is r, …",)
    assert match(numbers, names).notes == ("classes are matched by their order: p is 3, q is 5, r is 7, …",)


@pytest.mark.parametrize("other", ["npz:b", "folder:b"])
def test_other_numbers_are_other_classes(other: str) -> None:
    with pytest.raises(RequestError, match=f"class '0' of npz:a is not in {other}"):
        match(named("npz:a", "0", "1"), named(other, "1", "2"))


def test_a_class_that_the_source_lacks_is_named_too() -> None:
    with pytest.raises(RequestError, match="class 'c' of folder:b is not in folder:a"):
        match(named("folder:a", "a", "b"), named("folder:b", "a", "b", "c"))
