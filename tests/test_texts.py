"""Names of paths, as short as tells them apart."""

from hypothesis import given
from hypothesis import strategies as st

from engine.texts import short_names, without_credentials

pieces = st.text("ab", min_size=1, max_size=2)
paths = st.lists(pieces, min_size=1, max_size=4).map("/".join)
names = st.sampled_from(["clutter", "digits"]) | st.tuples(st.sampled_from(["npz:", "folder:/"]), paths).map("".join)


def test_as_much_of_a_path_is_shown_as_it_takes() -> None:
    whole = ["digits", "npz:/a/b/x.npz", "npz:/z/b/x.npz", "npz:/a/c/x.npz", "npz:/a/b/y.npz", "folder:/a/x.npz"]
    short = ["digits", "npz:a/b/x.npz", "npz:z/b/x.npz", "npz:c/x.npz", "npz:y.npz", "folder:x.npz"]
    assert list(map(short_names(whole).get, whole)) == short


@given(st.lists(names, max_size=8))
def test_different_names_stay_different_and_each_is_an_end_of_its_own(listed: list[str]) -> None:
    short = short_names(listed)
    assert set(short) == set(listed) and len(set(short.values())) == len(short)
    for name, shown in short.items():
        kind, colon, end = shown.partition(":")
        assert name == shown or (colon and name.startswith(f"{kind}:") and name.endswith(f"/{end}"))


def test_an_address_in_a_message_gives_no_credentials_away() -> None:
    said = "403 for 'https://me:pass@hub.example/a/b.bin?X-Signature=abc&x=1' (see http://hub.example/c#token=1)."
    assert without_credentials(said) == "403 for 'https://hub.example/a/b.bin' (see http://hub.example/c)."
    assert without_credentials("a@b.example asks: why?") == "a@b.example asks: why?"
