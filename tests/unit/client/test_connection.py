import json
from pathlib import Path

import pytest
from slipway.connection import find_connection, state_folder
from slipway.errors import InvalidInputError, NotConnectedError

URL = "http://127.0.0.1:8080"


def make_state(folder: Path, *, url: str = URL, key: str = "slw_local") -> Path:
    folder.mkdir(parents=True)
    (folder / "admin.key").write_text(f"{key}\n")
    content = {"url": url, "gateway_url": "http://127.0.0.1:8000", "key_file": str(folder / "admin.key")}
    (folder / "connection.json").write_text(json.dumps(content))
    return folder


def test_a_state_folder_gives_url_key_and_gateway(tmp_path: Path) -> None:
    state = make_state(tmp_path / "state")

    found = find_connection(state=state, environment={})

    assert (found.url, found.key, found.gateway_url) == (URL, "slw_local", "http://127.0.0.1:8000")


def test_arguments_come_before_the_environment_and_both_before_the_state_folder(tmp_path: Path) -> None:
    environment = {
        "SLIPWAY_URL": "http://env",
        "SLIPWAY_KEY": "env",
        "SLIPWAY_STATE": str(make_state(tmp_path / "state")),
    }

    assert find_connection(url="http://given/", key="given", environment=environment).url == "http://given"
    assert find_connection(environment=environment).key == "env"
    assert find_connection(environment={"SLIPWAY_STATE": environment["SLIPWAY_STATE"]}).key == "slw_local"


def test_a_state_folder_given_by_name_comes_before_the_environment(tmp_path: Path) -> None:
    environment = {"SLIPWAY_URL": "http://env", "SLIPWAY_KEY": "env"}

    found = find_connection(state=make_state(tmp_path / "state"), environment=environment)

    assert found.key == "slw_local"


def test_the_key_of_a_state_folder_goes_to_no_other_server(tmp_path: Path) -> None:
    state = make_state(tmp_path / "state")

    with pytest.raises(NotConnectedError, match="no key is known for http://elsewhere"):
        find_connection(url="http://elsewhere", state=state, environment={})

    assert find_connection(url=f"{URL}/", state=state, environment={}).key == "slw_local"


def test_without_a_platform_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotConnectedError) as refused:
        find_connection(state=tmp_path / "none", environment={})

    assert "slipway up" in refused.value.hint
    assert str(tmp_path / "none") in refused.value.message


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "http://x", "gateway_url": "http://y"}'])
def test_a_broken_connection_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "connection.json").write_text(content)

    with pytest.raises(NotConnectedError, match=r"connection\.json cannot be used"):
        find_connection(state=tmp_path, environment={})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SLIPWAY_STATE": "/s", "XDG_STATE_HOME": "/x"}, Path("/s")),
        ({"XDG_STATE_HOME": "/x"}, Path("/x/slipway")),
        ({}, Path.home() / ".local/state/slipway"),
    ],
)
def test_the_default_state_folder_follows_the_xdg_rules(environment: dict[str, str], expected: Path) -> None:
    assert state_folder(environment) == expected


def test_a_url_without_its_scheme_is_told_so_whether_a_key_is_known_or_not() -> None:
    for key in ("slw_x", None):
        with pytest.raises(InvalidInputError, match="http:// or https:// is missing") as refused:
            find_connection(url="localhost:8080", key=key, environment={})
        assert refused.value.hint == "Say http://localhost:8080"


@pytest.mark.parametrize("url", ["ftp://localhost", "http://", "nats://localhost:4222"])
def test_what_can_be_no_url_of_an_api_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is no URL of an API"):
        find_connection(url=url, key="slw_x", environment={})
