"""The addresses of a receiver, and whether anything may be sent there.

What is checked is what is connected to: a name that answers differently the second time gains nothing.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeVar

from slipway_notifier.outcome import DeliveryError

T = TypeVar("T")
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name; blocks.

    Raises:
        OSError: it has none, or nobody answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def addresses_of(host: str, port: int, *, private: bool, resolving: Resolve = resolve) -> Sequence[str]:
    """Return where this host is, the preferred address first.

    Args:
        host: a name or an address.
        port: where it is to be reached.
        private: whether addresses count that are not public.
        resolving: asks for the addresses; blocks.

    Raises:
        DeliveryError: it has no address, or none to which anything may be sent.
    """
    try:
        found = await _in_a_thread_of_its_own(lambda: resolving(host, port))
    except OSError as error:
        # A resolver without a network says of every name that nobody knows it.
        why = f": {error.strerror}" if isinstance(error, socket.gaierror) else ""
        raise DeliveryError("unreachable", f"its host has no address{why}", fault="unclear") from None
    except UnicodeError:
        raise DeliveryError("unreachable", "its host can be no name") from None
    allowed = [address for address in found if private or is_public(address)]
    if not allowed:
        raise DeliveryError(
            "forbidden",
            "its host has no public address; "
            "an operator may allow it: SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES=true",
            fault="ours",
        )
    return allowed


def is_public(address: str) -> bool:
    """Say whether an address belongs to the public internet, also where it hides another one in it."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed not in _GLOBAL_UNICAST and parsed not in _NAT64:
        return parsed.ipv4_mapped is not None and is_public(str(parsed.ipv4_mapped))
    return all(each.is_global and not each.is_multicast for each in (parsed, *_hidden_in(parsed)))


def _hidden_in(address: IPv4Address | IPv6Address) -> Sequence[IPv4Address]:
    if isinstance(address, IPv4Address):
        return ()
    hidden = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        hidden.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in hidden if each is not None]


async def _in_a_thread_of_its_own(call: Callable[[], T]) -> T:
    # The event loop's pool has a few threads for all: names that nobody answers for would block it.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = call()
        except (OSError, UnicodeError) as error:
            failed = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return await answer
