"""What operators are to be woken for can be seen: each sign names a metric that some service has."""

import re
from pathlib import Path
from typing import Final

import slipway_chassis

ROOT: Final = Path(__file__).parents[3]
METRIC: Final = re.compile(r"\bslipway_(?!contracts)[a-z_]+")
SERVICES: Final = {each.name for each in (ROOT / "services").iterdir() if each.is_dir()}
MADE: Final = re.compile(r"(?:Counter|Gauge|Histogram)\(\s*\"(slipway_\w+)\"")


def made() -> set[str]:
    """Return the names of all metrics in the sources of the services."""
    folders = [*(ROOT / "services").iterdir(), Path(slipway_chassis.__file__).parent]
    return {
        name for folder in folders for path in folder.rglob("*.py") for name in MADE.findall(path.read_text())
    }


def rows() -> list[list[str]]:
    """Return the cells of the rows of what to be woken for."""
    page = (ROOT / "docs" / "operations.md").read_text()
    (_, _, chapter) = page.partition("## What to be woken for")
    lines = chapter.partition("\n## ")[0].splitlines()
    return [line.strip("|").split(" | ") for line in lines if line.startswith("| ")][1:]


def test_each_sign_names_metrics_that_there_are() -> None:
    named = {name for row in rows() for name in METRIC.findall(row[1])}

    assert len(named) > len(SERVICES)
    assert named - made() == set()


def test_each_service_has_a_sign() -> None:
    told = {name for row in rows() for name in re.findall(r"`([a-z]+)`", row[0])}

    assert told == SERVICES


def test_the_page_of_metrics_has_those_of_the_sources() -> None:
    page = (ROOT / "docs" / "tracing.md").read_text()

    assert set(re.findall(r"^\| `(slipway_\w+)`", page, re.MULTILINE)) == made()
