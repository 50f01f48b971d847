"""The table "Who writes what" has what each service may write, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from slipway_contracts.topology import RIGHTS, ServiceRights

DOCUMENT = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text()
SERVICES = {rights.service for rights in RIGHTS}


def rows() -> Iterator[tuple[set[str], str]]:
    """Return the services that a row is about, and what they write."""
    table = DOCUMENT.split("## Who writes what\n")[1].split("\n## ")[0]
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| writer "):
            writer, written, _guard = (cell.strip() for cell in line.split("|")[1:-1])
            yield set(re.findall(r"\w+", writer)) & SERVICES, written


def subjects(written: str) -> list[str]:
    """Return the subjects of a row as NATS has them: a name in angle brackets is any."""
    quoted = re.findall(r"`([^`]+)`", written)
    whole = [re.sub(r"^…\.", "slipway.<g>.<d>.", each) for each in quoted if "." in each]
    return [re.sub(r"<\w+>", "*", each) for each in whole]


def buckets(written: str) -> list[str]:
    """Return the buckets of a row: each is called one."""
    return re.findall(r"bucket `([a-z-]+)`", written)


def test_every_row_is_about_a_service_and_names_what_it_writes() -> None:
    assert {service for services, _ in rows() for service in services} == SERVICES
    for services, written in rows():
        assert services
        assert subjects(written) or buckets(written) or "Postgres" in written


@pytest.mark.parametrize("rights", RIGHTS, ids=lambda rights: rights.service)
def test_the_rows_of_a_service_have_exactly_its_rights(rights: ServiceRights) -> None:
    own = [written for services, written in rows() if rights.service in services]

    assert {each for written in own for each in subjects(written)} == set(rights.publish)
    assert {each for written in own for each in buckets(written)} == set(rights.buckets_written)
