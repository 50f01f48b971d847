"""The shape of a CDEvent by its type, as the tables of CDEvents 0.5 state it, for a strict validator."""

from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

_TEXT: Final = {"type": "string", "minLength": 1}
_URI: Final = _TEXT | {"format": "uri-reference"}
_PACKAGE_URL: Final = _TEXT | {"pattern": r"^pkg:[a-z][a-z0-9.+-]*/[^@?#]+@[^?#]+(\?[a-z][^#]*)?$"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": sorted(required),
        "additionalProperties": False,
    }


_ENVIRONMENT: Final = _object({"id": _TEXT}, {"source": _URI})
_RUNNING: Final = {"environment": _ENVIRONMENT, "artifactId": _PACKAGE_URL}
_CONTENT: Final = {
    "dev.cdevents.build.started.0.3.0": _object({}),
    "dev.cdevents.build.finished.0.3.0": _object({}, {"artifactId": _PACKAGE_URL}),
    "dev.cdevents.artifact.published.0.3.0": _object({}, {"user": _TEXT, "sbom": _object({"uri": _URI})}),
    "dev.cdevents.service.deployed.0.3.0": _object(_RUNNING),
    "dev.cdevents.service.upgraded.0.3.0": _object(_RUNNING),
    "dev.cdevents.service.rolledback.0.3.0": _object(_RUNNING),
    "dev.cdevents.service.removed.0.3.0": _object({"environment": _ENVIRONMENT}),
    "dev.cdeventsx.slipway-webhook.pinged.0.1.0": {"type": "object"},
    "dev.cdeventsx.slipway-log.truncated.0.1.0": {"type": "object"},
}


TYPES: Final = frozenset(_CONTENT)
"""The types that are known here."""


def check(document: dict[str, Any]) -> None:
    """Check a CDEvent; an unknown type is an error too.

    Raises:
        jsonschema.ValidationError: it breaks a rule of its type.
    """
    type_name = document["context"]["type"]
    context = _object(
        {
            "specversion": {"enum": ["0.5.0", "0.5.1"]},
            "id": _TEXT,
            "source": _URI,
            "type": {"const": type_name},
            "timestamp": _TEXT | {"format": "date-time"},
        },
        {"chainId": _TEXT, "schemaUri": _TEXT | {"format": "uri"}, "links": {"type": "array"}},
    )
    identity = _PACKAGE_URL if ".artifact." in type_name else _TEXT
    subject = _object({"id": identity, "content": _CONTENT[type_name]}, {"source": _URI})
    schema = _object(
        {"context": context, "subject": subject},
        {"customData": {"type": ["object", "string"]}, "customDataContentType": _TEXT},
    )
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(document)
