"""What the client says of a manifest, beside what the builder says of the same one."""

from pathlib import Path
from typing import Any, Final

import pytest
from slipway.errors import InvalidInputError
from slipway.manifest_check import check, problems
from slipway_builder.source.manifest_file import ManifestInvalidError, parse_manifest
from slipway_contracts.manifest import Manifest

SCHEMA: Final[dict[str, Any]] = Manifest.model_json_schema(by_alias=True)
GOOD: Final = """
python: 3.11
requirements: [numpy]
endpoints:
  - name: greet
    wsgi: app:app
    timeout: 30s
    max_body: 10MB
    idempotent: true
    files:
      - {name: model, path: model.json}
    smoke-test:
      path: /
      headers: {X-Number: 1}
      json: {any: [1, {thing: null}]}
      expect: {status: 200, json: {a: 1}, latency: 2s}
  - <<: &shared {health: /, description: 2}
    name: other
    asgi: app:app
  - <<: *shared
    name: third
    image:
    server_command: ignored
    server-command: python app.py
"""
BAD: Final = {
    "endpoints:\n  - name: greet\n   wsgi: a:b\n": (3, "the YAML cannot be read"),
    "endpoints:\n  - name: greet\n    wsig: a:b\n": (3, "unknown key `wsig`; did you mean `wsgi`?"),
    "endpoint:\n  - name: greet\n": (1, "unknown key `endpoint`; did you mean `endpoints`?"),
    "python: '3.11'\n": (1, "the key `endpoints` is missing"),
    "endpoints:\n  greet:\n    wsgi: a:b\n": (2, "`endpoints` is no list"),
    "endpoints:\n  - greet\n": (2, "an item of `endpoints` is no mapping"),
    "endpoints:\n  - name: greet\n    name: again\n    wsgi: a:b\n": (3, "the key `name` stands here twice"),
    "endpoints:\n  - wsgi: a:b\n": (2, "the key `name` is missing"),
    "- endpoint:\n    name: greet\n": (1, "the manifest is no mapping"),
    "endpoints: [{name: greet, wsgi: 'a:b', smoke-test: {paht: /}}]\n": (1, "unknown key `paht`"),
    "a: 1\n---\nb: 2\n": (2, "the YAML cannot be read"),
    "": (1, "the file is empty"),
}


@pytest.mark.parametrize(("text", "said"), BAD.items())
def test_what_is_wrong_is_said_with_its_line_and_the_builder_agrees(text: str, said: tuple[int, str]) -> None:
    found = problems("slipway.yaml", text, SCHEMA)

    assert any(line == said[0] and message.startswith(said[1]) for line, message in found), found
    with pytest.raises(ManifestInvalidError):
        parse_manifest("slipway.yaml", text)


def test_what_the_builder_takes_passes() -> None:
    good = GOOD.replace("    server_command: ignored\n", "")

    assert parse_manifest("slipway.yaml", good).endpoints
    assert problems("slipway.yaml", good, SCHEMA) == []


def test_of_a_valohai_manifest_only_the_endpoints_are_looked_at() -> None:
    good = "- step:\n    name: train\n    anything: 1\n- endpoint:\n    name: greet\n    wsgi: a:b\n"

    assert parse_manifest("valohai.yaml", good).endpoints
    assert problems("valohai.yaml", good, SCHEMA) == []
    assert problems("valohai.yaml", good.replace("wsgi", "wsig"), SCHEMA) == [
        (6, "unknown key `wsig`; did you mean `wsgi`?")
    ]


def test_a_platform_without_a_schema_judges_keys_itself() -> None:
    assert problems("slipway.yaml", "endpoints:\n  - wsig: a:b\n", None) == []
    assert problems("slipway.yaml", "a: [1\n", None)[0][1].startswith("the YAML cannot be read")


def test_every_problem_is_told_with_the_file_and_nothing_is_uploaded(tmp_path: Path) -> None:
    (tmp_path / "slipway.yaml").write_text("endpoints:\n  - wsig: a:b\n")

    with pytest.raises(InvalidInputError) as refused:
        check(tmp_path, SCHEMA)

    assert refused.value.message.splitlines() == [
        f"{tmp_path}/slipway.yaml:2: the key `name` is missing",
        f"{tmp_path}/slipway.yaml:2: unknown key `wsig`; did you mean `wsgi`?",
    ]
    assert "Nothing was uploaded" in refused.value.hint


def test_a_manifest_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "slipway.yaml").write_bytes(b"caf\xe9: 1\n")

    with pytest.raises(InvalidInputError, match="no UTF-8 text: byte 3 is 0xe9"):
        check(tmp_path, SCHEMA)
