"""What the environment of `up` chooses for all later runs, until it chooses otherwise."""

from collections.abc import Mapping
from typing import Final

from slipway_standalone.errors import VariableError
from slipway_standalone.folder import Installation

PRIVATE_RECEIVERS: Final = "SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES"
_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def private_receivers(environment: Mapping[str, str], known: Installation) -> bool | None:
    """Return whether webhooks may go to addresses that are not public; None: nobody ever said so.

    Raises:
        VariableError: The variable says neither yes nor no.
    """
    said = environment.get(PRIVATE_RECEIVERS, "").strip().lower()
    if not said:
        return known.private_receivers
    if said not in _WORDS:
        raise VariableError(f"{PRIVATE_RECEIVERS} is {said!r}.", remedy="Set it to true or false.")
    return _WORDS[said]


def refuse_other(environment: Mapping[str, str], running: Installation) -> None:
    """Refuse what a running platform was not started with.

    Raises:
        VariableError: It was started with another choice.
    """
    now = running.private_receivers
    if now is not None and private_receivers(environment, running) != now:
        raise VariableError(
            f"Slipway is running already, with {PRIVATE_RECEIVERS}={spoken(chosen=now)}.",
            remedy="`slipway down`, then `slipway up` with what you want; it is kept for later runs.",
        )


def spoken(*, chosen: bool | None) -> str:
    """Return a choice as the variable has it."""
    return "true" if chosen else "false"
