"""Settings: read from the environment, strict about names, silent about secrets."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from slipway_chassis.settings import ServiceSettings, SettingsError


class BuilderSettings(ServiceSettings):
    pool_size: int = 2
    token: SecretStr = SecretStr("")


Set = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Set:
    for name in list(os.environ):
        if name.startswith("SLIPWAY_"):
            monkeypatch.delenv(name)

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def test_variables_are_read_into_their_types(environment: Set) -> None:
    environment(
        SLIPWAY_NATS_URL="nats://log:4222",
        SLIPWAY_STOP_TIMEOUT="PT7S",
        SLIPWAY_BLOB_ROOT="/data/blobs",
        SLIPWAY_POOL_SIZE="5",
    )

    settings = BuilderSettings.load()

    assert settings.nats_url == "nats://log:4222"
    assert settings.stop_timeout == timedelta(seconds=7)
    assert settings.blob_root == Path("/data/blobs")
    assert settings.pool_size == 5


def test_unknown_variable_is_refused_with_its_name_and_the_nearest_valid_one(environment: Set) -> None:
    environment(SLIPWAY_POOLSIZE="5")

    with pytest.raises(
        SettingsError, match=r"SLIPWAY_POOLSIZE is .* nearest valid name is SLIPWAY_POOL_SIZE"
    ):
        BuilderSettings.load()


def test_variable_of_another_service_is_refused_too(environment: Set) -> None:
    environment(SLIPWAY_POOL_SIZE="5")

    with pytest.raises(SettingsError, match="SLIPWAY_POOL_SIZE is not a setting of this service"):
        ServiceSettings.load()


def test_variables_without_our_prefix_are_none_of_our_business(environment: Set) -> None:
    environment(SLIPWAYS="x", OTEL_SERVICE_NAME="y")

    BuilderSettings.load()


def test_unusable_value_is_named_without_being_shown(environment: Set) -> None:
    environment(SLIPWAY_POOL_SIZE="canary-4711", SLIPWAY_PROBE_PORT="99999")

    with pytest.raises(SettingsError) as caught:
        BuilderSettings.load()

    assert "SLIPWAY_POOL_SIZE" in str(caught.value)
    assert "SLIPWAY_PROBE_PORT" in str(caught.value)
    assert "canary-4711" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://log:4222", "nats://", "nats://log:port", "ws://log:1"]
)
def test_address_that_cannot_be_the_log_is_refused_with_an_example(environment: Set, url: str) -> None:
    environment(SLIPWAY_NATS_URL=url)

    with pytest.raises(SettingsError, match=r"SLIPWAY_NATS_URL: .*nats://127.0.0.1:4222"):
        ServiceSettings.load()


def test_several_addresses_of_one_cluster_are_taken(environment: Set) -> None:
    environment(SLIPWAY_NATS_URL="nats://one:4222,tls://two")

    assert ServiceSettings.load().nats_url == "nats://one:4222,tls://two"


def test_secret_is_not_in_the_settings_text(environment: Set) -> None:
    secrets = {"SLIPWAY_NATS_PASSWORD": "canary-4711", "SLIPWAY_TOKEN": "canary-4712"}
    environment(**secrets)

    settings = BuilderSettings.load()

    assert "canary" not in repr(settings)
    assert "canary" not in settings.model_dump_json()


def test_instance_name_tells_processes_apart_by_default() -> None:
    assert str(os.getpid()) in BuilderSettings.load().service_instance
