"""Names and who answers to them."""

from slipway_gateway.claims import Claims
from structlog.testing import capture_logs

ONE, TWO = ("default", "one"), ("default", "two")


def test_a_present_name_goes_before_a_former_one_in_whatever_order_they_come() -> None:
    for order in ((ONE, TWO), (TWO, ONE)):
        claims = Claims()
        names = {ONE: ("new", "shop"), TWO: ("shop",)}

        for key in order:
            claims.put(key, names[key])

        assert claims.names_of(TWO) == ("shop",)
        assert claims.names_of(ONE) == ("new",)


def test_of_equal_claims_the_lesser_id_has_the_name() -> None:
    claims = Claims()

    claims.put(TWO, ("shop",))
    claims.put(ONE, ("shop",))

    assert (claims.names_of(ONE), claims.names_of(TWO)) == (("shop",), ())


def test_a_name_that_is_given_up_goes_to_the_next_who_is_told_as_changed() -> None:
    claims = Claims()
    claims.put(ONE, ("new", "shop"))

    taken = claims.put(TWO, ("shop",))
    given_up = claims.put(TWO, ())

    assert taken == given_up == {ONE, TWO}
    assert claims.names_of(ONE) == ("new", "shop")


def test_what_changes_nothing_names_nobody() -> None:
    claims = Claims()
    claims.put(ONE, ("shop",))

    assert claims.put(ONE, ("shop",)) == frozenset()
    assert claims.put(("other", "one"), ("shop",)) == {("other", "one")}
    assert claims.names_of(ONE) == ("shop",)


def test_a_clash_is_logged_once_until_it_has_ended() -> None:
    claims = Claims()
    claims.put(ONE, ("shop",))

    with capture_logs() as clash:
        claims.put(TWO, ("shop",))
        claims.put(TWO, ("shop", "store"))
    with capture_logs() as another:
        claims.put(TWO, ())
        claims.put(TWO, ("shop",))

    told = [(entry["path"], entry["deployments"]) for entry in clash]
    assert told == [("/default/shop", ["default/one", "default/two"])]
    assert len(another) == 1
