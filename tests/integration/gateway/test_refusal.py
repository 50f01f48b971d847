"""Configuration that Envoy refuses costs nobody a route."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway_servers import EnvoyServer
from gateway_world import DeploymentStory, stored
from slipway_contracts.lifecycle import Wanted
from slipway_gateway.admin import EnvoyAdmin, EnvoyDownError
from slipway_gateway.clusters import cluster
from slipway_gateway.configuration import Configuration
from slipway_gateway.files import GatewayFolder
from slipway_gateway.known import Known
from slipway_gateway.model import Cluster, Forward, Place
from slipway_gateway.routes import route_list
from slipway_gateway.writer import ConfigurationRefusedError, ConfigurationWriter, Target


def make_target(*addresses: str) -> Target:
    clusters = [Cluster(name=f"{number:016x}-1", addresses=(each,)) for number, each in enumerate(addresses)]
    places = [
        Place(
            prefix=f"/g/d{number}",
            routes=(
                Forward(
                    prefix=f"/g/d{number}/e",
                    clusters=((each.name, 100),),
                    timeout_seconds=5,
                    members={},
                    max_body_bytes=None,
                    idempotent=False,
                ),
            ),
        )
        for number, each in enumerate(clusters)
    ]
    return Target(
        clusters={each.name: cluster(each) for each in clusters},
        routes={each.prefix: route_list(each) for each in places},
    )


@pytest.fixture
async def admin(envoy: EnvoyServer) -> AsyncIterator[EnvoyAdmin]:
    await envoy.until_up()
    admin = EnvoyAdmin(address=envoy.admin)
    yield admin
    admin.close()


@pytest.fixture
def writer(envoy: EnvoyServer, admin: EnvoyAdmin) -> ConfigurationWriter:
    writer = ConfigurationWriter(folder=GatewayFolder(envoy.folder / "state"), admin=admin)
    writer.load()
    return writer


async def test_a_refused_cluster_is_named_and_the_files_are_as_before(
    envoy: EnvoyServer, writer: ConfigurationWriter
) -> None:
    await writer.apply(make_target("127.0.0.1:9000"))
    before = envoy.files()
    good = make_target("127.0.0.1:9000", "127.0.0.1:9001")
    bad_name = f"{1:016x}-1"
    broken = good.clusters[bad_name].replace('"127.0.0.1"', '"no-address"')

    with pytest.raises(ConfigurationRefusedError) as refused:
        await writer.apply(Target(clusters={**good.clusters, bad_name: broken}, routes=good.routes))

    assert (refused.value.kind, refused.value.resources) == ("clusters", (bad_name,))
    assert envoy.files() == before
    await writer.apply(good)
    assert len(json.loads(envoy.files()["clusters.json"])["resources"]) == 2


async def test_of_many_new_routes_exactly_the_refused_are_named_and_the_others_are_served(
    envoy: EnvoyServer, writer: ConfigurationWriter
) -> None:
    await writer.apply(make_target("127.0.0.1:8999"))
    target = make_target(*(f"127.0.0.1:{9000 + number}" for number in range(9)))
    bad = {name: break_routes(target.routes[name]) for name in ("/g/d0", "/g/d5", "/g/d6")}
    kept = json.loads(envoy.files()["routes.json"])

    with pytest.raises(ConfigurationRefusedError) as refused:
        await writer.apply(Target(clusters=target.clusters, routes={**target.routes, **bad}))

    served = prefixes(json.loads(envoy.files()["routes.json"]))
    assert refused.value.resources == ("/g/d0", "/g/d5", "/g/d6")
    assert set(served) == {f"/g/d{number}" for number in (0, 1, 2, 3, 4, 7, 8)}
    assert served["/g/d0"] == prefixes(kept)["/g/d0"]
    assert refused.value.before.part(["/g/d0"]).routes == make_target("127.0.0.1:8999").routes


def break_routes(rendered: str) -> str:
    """Envoy takes no such prefix that ends in a slash."""
    return re.sub('"path_separated_prefix":"([^"]*)"', r'"path_separated_prefix":"\1/"', rendered)


def prefixes(document: dict[str, Any]) -> dict[str, Any]:
    (host,) = document["resources"][0]["virtual_hosts"]
    found: dict[str, Any] = host["matcher"]["matcher_tree"]["prefix_match_map"]["map"]
    return found


async def test_refused_routes_name_their_deployment_and_the_files_are_as_before(
    envoy: EnvoyServer, writer: ConfigurationWriter
) -> None:
    await writer.apply(make_target("127.0.0.1:9000"))
    before = envoy.files()["routes.json"]
    good = make_target("127.0.0.1:9000", "127.0.0.1:9001")
    broken = break_routes(good.routes["/g/d1"])

    with pytest.raises(ConfigurationRefusedError) as refused:
        await writer.apply(Target(clusters=good.clusters, routes={**good.routes, "/g/d1": broken}))

    assert (refused.value.kind, refused.value.resources) == ("routes", ("/g/d1",))
    assert envoy.files()["routes.json"] == before
    await writer.apply(good)
    assert envoy.files()["routes.json"] != before


async def test_files_are_written_while_envoy_is_down_and_confirmed_when_it_is_up(
    envoy: EnvoyServer, writer: ConfigurationWriter
) -> None:
    envoy.end()

    with pytest.raises(EnvoyDownError):
        await writer.apply(make_target("127.0.0.1:9000"))
    written = envoy.files()
    envoy.start()
    await envoy.until_up()
    await writer.apply(make_target("127.0.0.1:9000"))

    assert envoy.files() == written


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"resources": null'])
async def test_files_that_were_damaged_are_written_anew(
    envoy: EnvoyServer, writer: ConfigurationWriter, damage: bytes
) -> None:
    await writer.apply(make_target("127.0.0.1:9000"))
    before = envoy.files()
    for name in ("clusters.json", "routes.json"):
        (envoy.folder / "state/xds" / name).write_bytes(damage)

    writer.load()
    await writer.apply(make_target("127.0.0.1:9000"))

    assert envoy.files() == before


async def test_a_change_that_envoy_missed_is_written_again(
    envoy: EnvoyServer, admin: EnvoyAdmin, writer: ConfigurationWriter
) -> None:
    await writer.apply(make_target("127.0.0.1:9000"))
    routes = envoy.folder / "state/xds/routes.json"
    newest = routes.read_bytes()
    # Envoy is told of renames only: what is written into the file in place goes unnoticed.
    foreign = envoy.folder / "state/foreign.json"
    foreign.write_bytes(newest.replace(b"/g/d0", b"/g/zz").replace(b'"version_info":"', b'"version_info":"0'))
    foreign.replace(routes)
    while not (await admin.versions())["routes"].startswith("0"):
        pass
    routes.write_bytes(newest)

    await writer.apply(make_target("127.0.0.1:9000"))

    assert (await admin.versions())["routes"] in newest.decode()


async def test_one_refused_deployment_keeps_its_routes_and_the_others_change(
    writer: ConfigurationWriter,
) -> None:
    configuration = Configuration(Known())
    bad, good = (DeploymentStory(deployment=name) for name in ("bad", "good"))
    for position, story in enumerate((bad, good)):
        story.add_release(1)
        story.traffic = {1: 100}
        configuration.take(stored(10 + position, story.desired))
        configuration.take(stored(20 + position, story.fact(story.workload(1), address="127.0.0.1:9000")))
    before = configuration.target()
    await writer.apply(before)
    configuration.accept()

    for position, story in enumerate((bad, good)):
        story.wanted = Wanted.STOPPED
        configuration.take(stored(30 + position, story.desired))
    wanted = configuration.target()
    broken = break_routes(wanted.routes["/default/bad"])
    with pytest.raises(ConfigurationRefusedError) as refused:
        await writer.apply(
            Target(
                clusters=wanted.clusters,
                routes={"/default/bad": broken, "/default/good": before.routes["/default/good"]},
            )
        )
    held = configuration.hold(refused.value)
    assert held is not None
    await writer.apply(held)
    configuration.accept()

    assert held.routes == {
        "/default/bad": before.routes["/default/bad"],
        "/default/good": wanted.routes["/default/good"],
    }
    assert configuration.held == {"default/bad": 30}
    configuration.take(stored(32, bad.desired))
    assert configuration.held == {"default/bad": 30}
    await writer.apply(configuration.target())
    configuration.accept()
    assert configuration.held == {}
