"""Settings that cannot work are refused before anything starts."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from slipway_engines.supervisor.settings import SupervisorSettings


def make_settings(**overrides: Any) -> SupervisorSettings:
    values = {
        "installation": "here",
        "folder": Path("/srv/with space/engine"),
        "socket": Path("/run/s.sock"),
        "blob_root": Path("/srv/blobs"),
        **overrides,
    }
    return SupervisorSettings(**values)


def test_a_path_with_spaces_is_fine() -> None:
    assert make_settings().folder == Path("/srv/with space/engine")


def test_the_interpreter_is_that_outside_of_the_virtual_environment() -> None:
    assert not (make_settings().python.parent.parent / "pyvenv.cfg").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"socket": Path("/" + "s" * 120)}, "107 bytes"),
        ({"folder": Path("/srv/a ;b")}, "choose a folder"),
        ({"folder": Path("/srv/a #b")}, "choose a folder"),
        ({"folder": Path("/srv/a\nb")}, "choose a folder"),
        ({"installation": "Not A Token"}, "installation"),
    ],
)
def test_what_cannot_work_is_refused_with_what_helps(overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        make_settings(**overrides)
