"""Reading manifests: what is accepted, and how everything else is refused."""

from pathlib import Path

import pytest
from slipway_builder.source.manifest_file import (
    FoundManifest,
    ManifestInvalidError,
    ManifestMissingError,
    parse_manifest,
    read_manifest,
)

FIXTURE = Path(__file__).parents[2] / "fixtures" / "valohai"

WHOLE = """
endpoints:
  - name: predict
    description: Predicts.
    image: python:3.11
    wsgi: app:serve
    files:
      - {name: model, description: The model., path: models/model.pkl}
    health: /healthz
    timeout: 1.5m
    max_body: 10MB
    idempotent: true
  - name: greet
    port: 8000
    server-command: python greet.py
requirements: [numpy==2.4.6, "joblib>=1.5"]
python: 3.10
"""


def problems_of(text: str, file: str = "slipway.yaml") -> list[str]:
    with pytest.raises(ManifestInvalidError) as caught:
        parse_manifest(file, text)
    return [str(problem) for problem in caught.value.problems]


def endpoint(**keys: str) -> str:
    lines = {"name": "predict", "wsgi": "app:serve"} | keys
    return "endpoints:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in lines.items()) + "\n"


def test_every_key_of_a_manifest_is_read() -> None:
    manifest = parse_manifest("slipway.yaml", WHOLE)

    predict, greet = manifest.endpoints
    assert (predict.name, predict.image, predict.wsgi, predict.health) == (
        "predict",
        "python:3.11",
        "app:serve",
        "/healthz",
    )
    assert (predict.timeout, predict.max_body, predict.idempotent) == (90.0, 10_000_000, True)
    assert [(file.name, file.path) for file in predict.files] == [("model", "models/model.pkl")]
    assert (greet.port, greet.server_command, greet.timeout) == (8000, "python greet.py", 300.0)
    assert manifest.requirements == ("numpy==2.4.6", "joblib>=1.5")


def test_a_python_version_stays_as_it_was_written_and_is_no_number() -> None:
    assert parse_manifest("slipway.yaml", WHOLE).python == "3.10"


def test_a_valohai_file_gives_its_endpoints_and_its_other_items_are_left_alone() -> None:
    text = (
        "- step:\n    name: train\n    image: x\n    command: [a]\n" + (FIXTURE / "valohai.yaml").read_text()
    )

    manifest = parse_manifest("valohai.yaml", text)

    assert [each.name for each in manifest.endpoints] == ["greet-me", "predict-digit"]
    assert manifest.endpoints[0].server_command == "python -m wsgiref.simple_server"
    assert manifest.endpoints[1].files[0].path == "model.pb"


def test_the_valohai_fixture_is_read_from_its_folder() -> None:
    found = read_manifest(FIXTURE)

    assert found.file == "valohai.yaml"
    assert found.manifest.endpoints[0].port == 8000


def test_slipway_yaml_counts_where_both_files_exist(tmp_path: Path) -> None:
    (tmp_path / "slipway.yaml").write_text(endpoint())
    (tmp_path / "valohai.yaml").write_text("[broken")

    found = read_manifest(tmp_path)

    assert found == FoundManifest(file="slipway.yaml", manifest=parse_manifest("slipway.yaml", endpoint()))


def test_a_missing_manifest_is_told_with_what_is_there_instead(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()

    with pytest.raises(ManifestMissingError, match=r"no slipway\.yaml and no valohai\.yaml.*app\.py"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("prot", "port"), ("server_command", "server-command"), ("max-body", "max_body"), ("heath", "health")],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_valid_one(key: str, nearest: str) -> None:
    problems = problems_of(endpoint(**{key: "1"}))

    assert f"slipway.yaml:4: unknown key `{key}`; did you mean `{nearest}`?" in problems


def test_an_unknown_key_unlike_any_other_is_told_with_all_valid_ones() -> None:
    problems = problems_of(endpoint() + "zzzz: 1\n")

    assert problems == [
        "slipway.yaml:4: unknown key `zzzz`; valid keys are endpoints, requirements, python",
    ]


def test_an_unknown_key_of_a_valohai_endpoint_is_an_error_too() -> None:
    problems = problems_of("- endpoint:\n    name: a\n    wsgi: a:b\n    fils: []\n", "valohai.yaml")

    assert problems == ["valohai.yaml:4: unknown key `fils`; did you mean `files`?"]


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """
endpoints:
  - name: Predict_It
    wsgi: app
    port: 99999
    timeout: soon
  - just text
  - wsgi: a:b
    files: [{name: m, pth: x}]
python: [1]
"""
    problems = problems_of(text)

    assert [int(each.split(":")[1]) for each in problems] == [3, 4, 5, 6, 7, 8, 9, 9, 10]
    assert "slipway.yaml:8: the key `name` is missing" in problems


@pytest.mark.parametrize("name", ["Upper", "under_score", "a.b", "-a", "a-", "a" * 64, "''"])
def test_a_name_that_is_not_of_small_letters_digits_and_dashes_is_refused(name: str) -> None:
    assert problems_of(endpoint(name=name)) == [
        "slipway.yaml:2: `name`: a name has 1 to 63 of a-z, 0-9 and -, and no - at its ends"
    ]


def test_two_endpoints_of_one_name_are_refused() -> None:
    text = "endpoints:\n  - {name: a, wsgi: 'x:y'}\n  - {name: a, wsgi: 'x:y'}\n"

    assert problems_of(text) == ["slipway.yaml:3: two endpoints are named a"]


@pytest.mark.parametrize("keys", [{}, {"wsgi": "a:b", "asgi": "a:b"}, {"wsgi": "a:b", "server-command": "x"}])
def test_an_endpoint_has_exactly_one_way_to_run(keys: dict[str, str]) -> None:
    text = "endpoints:\n  - name: a\n" + "".join(f"    {key}: {value}\n" for key, value in keys.items())

    assert problems_of(text) == [
        "slipway.yaml:2: endpoint a: give exactly one of server-command, wsgi and asgi"
    ]


@pytest.mark.parametrize(
    ("written", "seconds"), [("30", 30.0), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("250ms", 0.25)]
)
def test_a_timeout_is_seconds_or_has_a_unit(written: str, seconds: float) -> None:
    assert parse_manifest("slipway.yaml", endpoint(timeout=written)).endpoints[0].timeout == seconds


@pytest.mark.parametrize(
    ("written", "count"), [("1000", 1000), ("10MB", 10_000_000), ("1MiB", 1 << 20), ("1.5 kB", 1500)]
)
def test_a_largest_body_is_bytes_or_has_a_unit(written: str, count: int) -> None:
    assert parse_manifest("slipway.yaml", endpoint(max_body=written)).endpoints[0].max_body == count


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("endpoints:\n  - name: [\n", "slipway.yaml:3"),
        ("a: 1\n  b: 2\n", "slipway.yaml:2"),
        ("a: 1\n---\nb: 2\n", "slipway.yaml:2"),
        ("\x00", "slipway.yaml"),
        ("a: 1\na: 2\n", "slipway.yaml:2"),
        ("a: !!python/object/apply:os.system [ls]\n", "slipway.yaml:1"),
        ("? [a]\n: b\n", "slipway.yaml:1"),
        ("[" * 5000, "slipway.yaml"),
    ],
)
def test_broken_yaml_is_told_with_its_line(text: str, line: str) -> None:
    problems = problems_of(text)

    assert problems
    assert all(each.startswith(f"{line}: ") for each in problems)


def test_aliases_that_expand_without_bound_are_refused() -> None:
    levels = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 12))

    problems = problems_of(f"x0: &x0 [a]\n{levels}")

    assert "more than 10000 values" in problems[0]


def test_an_alias_of_itself_is_refused() -> None:
    assert "more than" in problems_of("endpoints: &a [*a]\n")[0]


@pytest.mark.parametrize(
    "text", ["", "endpoints:\n", "endpoints: []\n", "endpoints: {a: b}\n", "- a\n", "3\n"]
)
def test_a_manifest_without_endpoints_is_refused(text: str) -> None:
    assert len(problems_of(text)) == 1


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "slipway.yaml").write_bytes(b"endpoints: \xff\n")

    with pytest.raises(
        ManifestInvalidError, match=r"slipway\.yaml: the file is no UTF-8 text: byte 11 is 0xff"
    ):
        read_manifest(tmp_path)


def test_a_manifest_beyond_any_use_is_not_even_read(tmp_path: Path) -> None:
    (tmp_path / "slipway.yaml").write_bytes(b"#" * (2 << 20))

    with pytest.raises(ManifestInvalidError, match="larger than"):
        read_manifest(tmp_path)
