import pytest
from slipway_standalone import choices
from slipway_standalone.choices import PRIVATE_RECEIVERS
from slipway_standalone.errors import VariableError
from slipway_standalone.folder import Installation


def chosen(said: str | None, known: bool | None) -> bool | None:
    environment = {} if said is None else {PRIVATE_RECEIVERS: said}
    return choices.private_receivers(environment, Installation(id="abc", private_receivers=known))


@pytest.mark.parametrize("known", [None, True, False])
def test_what_is_said_prevails_and_what_is_not_said_stays(*, known: bool | None) -> None:
    assert chosen("true", known) is True
    assert chosen("0", known) is False
    assert chosen(None, known) is known
    assert chosen("", known) is known


def test_what_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(VariableError, match="maybe"):
        chosen("maybe", known=None)


def test_a_running_platform_takes_no_other_choice() -> None:
    forbids = Installation(id="abc", private_receivers=False)

    choices.refuse_other({}, forbids)
    choices.refuse_other({PRIVATE_RECEIVERS: "false"}, forbids)
    choices.refuse_other({PRIVATE_RECEIVERS: "true"}, Installation(id="started by an older release"))
    with pytest.raises(VariableError, match="running already, with SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES=false"):
        choices.refuse_other({PRIVATE_RECEIVERS: "true"}, forbids)
