"""How endpoints start, on which port, and what a user is told before a deploy."""

from typing import Any

import pytest
from slipway_builder.endpoints.endpoint_server import command_of, fixed_port, needs_server, notices_of
from slipway_contracts.manifest import ManifestEndpoint


def endpoint(**keys: Any) -> ManifestEndpoint:
    return ManifestEndpoint.model_validate({"name": "predict", **keys})


def test_a_server_command_runs_in_a_shell_as_it_was_written() -> None:
    command = command_of(endpoint(**{"server-command": "python app.py --port $PORT | tee log"}))

    assert (command.shell, command.argv) == ("python app.py --port $PORT | tee log", ())
    assert command.working_dir == "/app"


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_an_application_is_run_by_the_server_that_the_builder_adds(interface: str) -> None:
    given = endpoint(**{interface: "package.module:app"})

    assert needs_server(given)
    assert command_of(given).argv == ("python", "-m", "slipway_serve", interface, "package.module:app")


@pytest.mark.parametrize(
    ("keys", "port"),
    [
        ({"server-command": "python app.py", "port": 8000}, 8000),
        ({"server-command": "python app.py"}, None),
        ({"server-command": "serve --port $PORT", "port": 8000}, None),
        ({"server-command": "serve --port ${PORT}", "port": 8000}, None),
        ({"server-command": "serve --port ${PORT:-8000}", "port": 8000}, None),
        ({"server-command": "serve $PORTAL", "port": 8000}, 8000),
        ({"server-command": "serve PORT", "port": 8000}, 8000),
        ({"wsgi": "a:b", "port": 8000}, None),
        ({"asgi": "a:b", "port": 8000}, None),
    ],
)
def test_a_port_is_fixed_only_where_the_command_cannot_obey_another(
    keys: dict[str, Any], port: int | None
) -> None:
    assert fixed_port(endpoint(**keys)) == port


def test_a_fixed_port_is_told_before_the_deploy() -> None:
    notices = notices_of(endpoint(**{"server-command": "python app.py", "port": 8000}), python="3.11")

    assert len(notices) == 1
    assert "listens on port 8000" in notices[0]
    assert "one replica and is replaced in place" in notices[0]


def test_an_image_that_is_not_used_is_told_before_the_deploy() -> None:
    notices = notices_of(endpoint(wsgi="a:b", image="python:3.6"), python="3.11")

    assert len(notices) == 1
    assert "python:3.6 is not used here" in notices[0]


def test_an_endpoint_without_surprises_has_no_notice() -> None:
    assert notices_of(endpoint(**{"server-command": "serve $PORT", "port": 8000}), python="3.11") == []
