import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from slipway_standalone import plan, supervision
from slipway_standalone.credentials import NATS_PROVISIONER, POSTGRES_ROLES, Credentials
from slipway_standalone.errors import StateFolderError
from slipway_standalone.folder import Installation, StateFolder
from slipway_standalone.nats import SERVICES
from slipway_standalone.plan import PORT_NAMES, Binaries, Program, Site
from slipway_standalone.postgres import PostgresServer
from slipway_standalone.runtime import RuntimeFolder
from supervisor.options import ServerOptions  # type: ignore[import-untyped]

PRIVATE_RECEIVERS = "SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES"
CALLER = {
    "PATH": "/usr/bin",
    "HOME": "/home/a",
    "LANG": "C.UTF-8",
    "AWS_SECRET_ACCESS_KEY": "canary",
    "SLIPWAY_STATE": "/elsewhere",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=telemetry",
    "https_proxy": "http://proxy",
    "UV_INDEX_URL": "http://index",
    "PIP_INDEX_URL": "http://index-of-pip",
}


def make_site(path: Path = Path("/a state"), **overrides: Any) -> Site:
    site = Site(
        state=StateFolder(path),
        installation=Installation(
            id="abc", ports={name: 8700 + number for number, name in enumerate(PORT_NAMES)}
        ),
        runtime=RuntimeFolder(Path("/run/user/1/slipway-1")),
        credentials=Credentials(
            nats={name: f"nats-{name}" for name in (*SERVICES, NATS_PROVISIONER)},
            postgres={role: f"<{role}>" for role in POSTGRES_ROLES},
        ),
        binaries=Binaries(
            nats_server=Path("/venv/bin/nats-server"),
            envoy=Path("/venv/envoy"),
            services={name: Path(f"/venv/bin/slipway-{name}") for name in SERVICES},
        ),
        postgres=PostgresServer(installation=Path("/venv/pg"), folder=path / "postgres"),
        environment=CALLER,
    )
    return replace(site, **overrides)


def programs(site: Site) -> dict[str, Program]:
    return {program.name: program for program in (*plan.servers(site), *plan.services(site))}


@pytest.mark.parametrize("name", [*plan.SERVERS, *SERVICES])
def test_no_process_inherits_what_it_has_no_use_for(name: str) -> None:
    environment = programs(make_site())[name].environment

    assert "canary" not in environment.values()
    assert "SLIPWAY_STATE" not in environment
    assert ("OTEL_EXPORTER_OTLP_HEADERS" in environment) == (name in SERVICES)
    for download in ("https_proxy", "UV_INDEX_URL", "PIP_INDEX_URL"):
        assert (download in environment) == (name == "builder")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_its_own_credentials_only(service: str) -> None:
    site = make_site()

    text = supervision.specification(programs(site)[service])

    assert f'"nats-{service}"' in text
    assert not any(f'"nats-{other}"' in text for other in site.credentials.nats if other != service)
    known = [role for role, password in site.credentials.postgres.items() if password in text]
    assert known == {"api": ["slipway_api"], "projector": ["slipway_projector"]}.get(service, [])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_of_the_keys_it_needs_and_of_no_other(service: str) -> None:
    environment = programs(make_site())[service].environment

    keys = {name: value for name, value in environment.items() if value.startswith("/a state/keys/")}
    assert keys == {
        "api": {
            "SLIPWAY_SECRET_KEYS": "/a state/keys/secret-keys.json",
            "SLIPWAY_ENDPOINT_KEY_FILE": "/a state/keys/endpoint-key.pem",
        },
        "deployer": {"SLIPWAY_SECRET_KEY_FILE": "/a state/keys/deployer.secret-key"},
        "gateway": {"SLIPWAY_ENDPOINT_JWKS": "/a state/keys/endpoint-jwks.json"},
        "notifier": {"SLIPWAY_SECRET_KEY_FILE": "/a state/keys/notifier.secret-key"},
    }.get(service, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "10.0.0.7"])  # noqa: S104
def test_webhooks_reach_private_addresses_only_where_the_operator_says_so(host: str) -> None:
    site = make_site(host=host)
    said = replace(site.installation, private_receivers=True)

    silent = programs(site)["notifier"].environment
    allowed = programs(replace(site, installation=said))["notifier"].environment

    assert silent[PRIVATE_RECEIVERS] == "false"
    assert allowed[PRIVATE_RECEIVERS] == "true"


def test_services_stop_before_replicas_and_servers_after_them() -> None:
    priorities = {name: program.priority for name, program in programs(make_site()).items()}
    replicas = 999

    assert min(priorities[service] for service in SERVICES) > replicas
    assert replicas > priorities["envoy"] > priorities["nats"] > priorities["postgres"]


def test_supervisord_reads_the_configuration_as_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(tmp_path)
    for folder in ("logs", "run", "engine/programs"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", "/opt/100% mine/bin/python")
    everything = programs(site).values()
    site.state.supervisord_config.write_text(
        supervision.configuration(everything, identifier="slipway-abc", socket_path=site.runtime.supervisor)
    )

    options = ServerOptions()
    options.realize(["-n", "-c", str(site.state.supervisord_config)])

    read = {
        config.name: config for group in options.process_group_configs for config in group.process_configs
    }
    assert set(read) == {program.name for program in everything}
    for program in everything:
        config = read[program.name]
        assert shlex.split(config.command)[0] == "/opt/100% mine/bin/python"
        assert shlex.split(config.command)[-1] == program.name
        assert (config.autostart, config.stopwaitsecs) == (False, program.patience_seconds)
    groups = {group.name: len(group.process_configs) for group in options.process_group_configs}
    assert groups["services"] == len(SERVICES)
    assert options.identifier == "slipway-abc"


def test_an_interpreter_that_supervisord_cannot_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/opt/a #1/python")

    with pytest.raises(StateFolderError, match="#1"):
        supervision.configuration(
            programs(make_site()).values(), identifier="i", socket_path=Path("/run/supervisor.sock")
        )


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8700"),
        ("0.0.0.0", "http://127.0.0.1:8700"),  # noqa: S104
        ("10.0.0.7", "http://10.0.0.7:8700"),
        ("::", "http://[::1]:8700"),
    ],
)
def test_the_url_is_one_that_this_machine_can_open(host: str, url: str) -> None:
    assert make_site(host=host).url == url
