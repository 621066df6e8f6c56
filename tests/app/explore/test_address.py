"""Which address the page believes: its own, unless somebody asks for another."""

import pytest

from app.explore.address import Query, Trail, settle

NOTHING: Query = {}
ONE: Query = {"criterion": ("L1 norm",)}
TWO: Query = {"criterion": ("L1 norm", "Taylor")}
OTHER: Query = {"exp": ("Gallery",)}


@pytest.mark.parametrize(
    ("asked", "trail", "entered", "is_back", "shown"),
    [
        pytest.param(ONE, None, True, False, ONE, id="a link that is opened"),
        pytest.param(TWO, Trail(TWO, ONE), False, False, TWO, id="nothing new"),
        pytest.param(ONE, Trail(TWO, ONE), False, False, TWO, id="the browser has not heard of the last change yet"),
        pytest.param(ONE, Trail(TWO, ONE), False, True, ONE, id="Back"),
        pytest.param(NOTHING, Trail(ONE, NOTHING), False, True, NOTHING, id="Back to the page as it was opened"),
        pytest.param(OTHER, Trail(TWO, ONE), False, False, OTHER, id="a link to another view of the page"),
        pytest.param(NOTHING, Trail(TWO, ONE), True, False, TWO, id="coming back from another page"),
        pytest.param(OTHER, Trail(TWO, ONE), True, False, OTHER, id="coming from another page by a link to a view"),
    ],
)
def test_the_address_is_believed_unless_it_lags_behind(
    asked: Query, trail: Trail | None, entered: bool, is_back: bool, shown: Query
) -> None:
    assert settle(asked, trail, entered=entered, is_back=is_back) == shown
