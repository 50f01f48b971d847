"""Who a replica's program is, as far as the files of the engine and the API say it."""

import json
from pathlib import Path
from typing import Any

import pytest
from slipway_standalone.folder import StateFolder
from slipway_standalone.replica_names import ReplicaName, replica_names

PROGRAM = "slipway-536cb21dff92-0bff1e8bc31fba02-0-1-660d73a77d3dd"
LAUNCH = {
    "group": "default",
    "deployment": "digits",
    "endpoint": "predict",
    "replica": "0-1",
    "workload": "0bff1e8bc31fba02",
    "port": 1,
}


def launch(folder: Path, text: str) -> None:
    file = folder / "engine" / "replicas" / PROGRAM / "launch.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("values", "spoken"),
    [
        ({"release": 7}, "digits/7/0-1 predict"),
        ({"release": None}, "digits/?/0-1 predict"),
        ({"release": 7, "group": "team"}, "team/digits/7/0-1 predict"),
    ],
)
def test_a_replica_is_spoken_of_as_in_its_log(values: dict[str, Any], spoken: str) -> None:
    known = {name: value for name, value in LAUNCH.items() if name != "port"}

    assert ReplicaName(**{**known, **values}).spoken == spoken


async def test_without_an_api_a_replica_has_all_of_its_name_but_the_release(tmp_path: Path) -> None:
    launch(tmp_path, json.dumps(LAUNCH))

    found = await replica_names(StateFolder(tmp_path), [PROGRAM])

    assert found[PROGRAM].spoken == "digits/?/0-1 predict"


@pytest.mark.parametrize("text", ["{", "{}", '{"group": "default"}', "[]"])
async def test_what_cannot_be_read_has_no_other_name_than_the_programs(tmp_path: Path, text: str) -> None:
    launch(tmp_path, text)

    assert await replica_names(StateFolder(tmp_path), [PROGRAM, "slipway-other"]) == {}
