"""Every reason that a user can meet has a section that explains it, and every section a reason."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from slipway_api.refusing.problems import ProblemError
from slipway_contracts.failure import Reason
from slipway_gateway import problem

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "failures.md").read_text()
SOURCES = [
    path
    for folder in ("services", "libs/chassis", "libs/engines", "libs/store")
    for path in (ROOT / folder).rglob("*.py")
]


def sections(chapter: str) -> dict[str, str]:
    """Return the sections of a chapter by heading."""
    text = DOCUMENT.split(f"\n## {chapter}\n", 1)[1].split("\n## ", 1)[0]
    found = re.split(r"^### (\w+)$", text, flags=re.MULTILINE)[1:]
    assert len(set(found[::2])) == len(found[::2]), "a heading occurs twice"
    return dict(zip(found[::2], found[1::2], strict=True))


def problems() -> dict[str, set[int]]:
    """Return the statuses of every problem of the api, by reason."""
    for path in (ROOT / "services" / "api" / "slipway_api").rglob("*.py"):
        if "(ProblemError)" in path.read_text():
            parts = path.relative_to(ROOT / "services" / "api").with_suffix("").parts
            import_module(".".join(parts))
    found: dict[str, set[int]] = {}
    for kind in _kinds(ProblemError):
        found.setdefault(kind.reason(), set()).add(int(kind.status))
    return found


def _kinds(kind: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


FAILURES = sections("Failures of builds, releases and operations")
REFUSALS = sections("Refusals of the API")
ANSWERS = sections("Answers of the gateway")
GATEWAY = {each.reason: each for each in vars(problem).values() if isinstance(each, problem.Problem)}


def test_every_reason_of_a_failure_has_a_section_and_every_section_a_reason() -> None:
    assert FAILURES.keys() == {reason.value for reason in Reason}


def test_every_problem_of_the_api_has_a_section_and_every_section_a_problem() -> None:
    assert REFUSALS.keys() == problems().keys()


def test_every_answer_of_the_gateway_has_a_section_and_every_section_an_answer() -> None:
    assert ANSWERS.keys() == GATEWAY.keys()


@pytest.mark.parametrize("reason", sorted(ANSWERS))
def test_the_section_of_an_answer_has_its_status_and_what_to_do(reason: str) -> None:
    meaning, *points = [line for line in ANSWERS[reason].splitlines() if line]

    status = GATEWAY[reason].status
    assert status is None or meaning.startswith(f"{int(status)}. ")
    assert [point.split(": ")[0] for point in points] == ["- What to do"]


@pytest.mark.parametrize("reason", sorted(FAILURES))
def test_a_section_says_what_it_means_how_it_is_found_and_what_to_do(reason: str) -> None:
    meaning, *points = [line for line in FAILURES[reason].splitlines() if line]

    assert not meaning.startswith("-")
    assert [point.split(": ")[0] for point in points] == ["- How it is found", "- What to do", "- Example"]


@pytest.mark.parametrize("reason", sorted(REFUSALS))
def test_the_section_of_a_problem_has_its_status_and_what_to_do(reason: str) -> None:
    meaning, *points = [line for line in REFUSALS[reason].splitlines() if line]

    assert int(meaning.split(".")[0]) in problems()[reason]
    assert [point.split(": ")[0] for point in points] == ["- What to do"]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_given_by_some_service(reason: Reason) -> None:
    uses = [path for path in SOURCES if re.search(rf"\bReason\.{reason.name}\b", path.read_text())]

    assert uses, f"nothing ever fails with {reason}"


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`slipway ((?:[a-z-]+ ?)+)", DOCUMENT))))
def test_every_command_that_is_recommended_exists(command: str) -> None:
    from slipway.cli import make_app  # noqa: PLC0415 - other tests of this module need no command line
    from typer.main import get_command  # noqa: PLC0415 - same

    found = get_command(make_app())
    for word in command.split():
        known = getattr(found, "commands", None)
        if known is None:
            break
        assert word in known, f"`slipway {command.strip()}`"
        found = known[word]
