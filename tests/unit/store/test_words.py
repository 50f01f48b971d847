import pytest
from slipway_store.words import pair_of, prefixes, words_of


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("digits-v2", "Reads 3 Digits."), "digits v2 reads 3"),
        (("a_b/c.d", "e-mail@example.org"), "a b c d e mail example org"),
        (("Straße ÅNGSTRÖM ﬁx", "日本語 model"), "strasse ångström fix 日本語 model"),
        (("", " -- "), ""),
        (("x" * 70,), "x" * 64),
    ],
)
def test_words_are_letters_and_digits_whatever_is_between(texts: tuple[str, ...], words: str) -> None:
    assert words_of(*texts) == words


def test_no_text_is_too_long_to_be_indexed() -> None:
    assert len(words_of(" ".join(map(str, range(5_000)))).split()) == 1_000


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ("dig", ["'dig':*"]),
        ("Dig  dig reads", ["'dig':*", "'reads':*"]),
        ("it's & !(x)", ["'it':*", "'s':*", "'x':*"]),
        (" -!- ", []),
    ],
)
def test_every_word_asked_for_is_a_prefix_and_nothing_else(asked: str, query: list[str]) -> None:
    assert prefixes(asked) == query


def test_a_long_search_stays_short() -> None:
    assert len(prefixes(" ".join(map(str, range(100))))) == 8


def test_a_pair_of_metadata_fits_an_index() -> None:
    assert pair_of("team", "blue") == "team=blue"
    assert len(pair_of("k" * 9_000, "v")) == 200
