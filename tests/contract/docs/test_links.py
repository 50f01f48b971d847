"""Every link of the documents to a file of this repository, or to a heading in one, leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("examples/*/*.md")),
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def links() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for link in LINK.findall(document.read_text()):
            if "://" not in link:
                yield str(document.relative_to(ROOT)), link


@pytest.mark.parametrize(("document", "link"), sorted(set(links())))
def test_a_link_leads_to_a_file_and_to_a_heading_in_it(document: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    linked = (ROOT / document).parent / path if path else ROOT / document

    assert linked.exists()
    assert not anchor or anchor in anchors(linked)
