"""To which addresses anything may be sent, and that a name nobody answers for delays no other."""

import asyncio
import threading
from collections.abc import Sequence
from socket import EAI_NONAME, gaierror

import pytest
from slipway_notifier.addresses import addresses_of, is_public
from slipway_notifier.outcome import DeliveryError


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_of_the_machine_its_network_or_hidden_in_others_are_not(address: str) -> None:
    assert not is_public(address)


async def test_of_several_addresses_only_the_public_ones_are_used() -> None:
    found = await addresses_of(
        "mixed.example", 443, private=False, resolving=lambda *_: ["10.0.0.1", "8.8.8.8"]
    )

    assert found == ["8.8.8.8"]


async def test_a_name_with_private_addresses_only_is_refused_without_telling_them() -> None:
    with pytest.raises(DeliveryError, match="PRIVATE_ADDRESSES") as refused:
        await addresses_of("inside.example", 443, private=False, resolving=lambda *_: ["10.0.0.1"])

    assert refused.value.kind == "forbidden"
    assert "10.0.0.1" not in str(refused.value)


async def test_a_name_that_does_not_exist_is_a_failure_like_another() -> None:
    def fail(_host: str, _port: int) -> Sequence[str]:
        raise gaierror(EAI_NONAME, "no such name")

    with pytest.raises(DeliveryError, match="its host has no address: no such name") as failed:
        await addresses_of("nowhere.example", 443, private=False, resolving=fail)

    assert failed.value.kind == "unreachable"


async def test_names_that_nobody_answers_for_delay_no_other() -> None:
    answer = threading.Event()

    def silent(_host: str, _port: int) -> Sequence[str]:
        answer.wait(60)
        return ["8.8.8.8"]

    waiting = [
        asyncio.create_task(addresses_of("silent.example", 443, private=False, resolving=silent))
        for _ in range(100)
    ]
    async with asyncio.timeout(10):
        found = await addresses_of("quick.example", 443, private=False, resolving=lambda *_: ["8.8.4.4"])
    answer.set()

    assert found == ["8.8.4.4"]
    assert await asyncio.gather(*waiting) == [["8.8.8.8"]] * 100
