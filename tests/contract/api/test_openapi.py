"""The published description of the API is the API, and says what it promises."""

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from slipway_api import openapi
from slipway_api.app import make_routes
from slipway_api.refusing import problems

PUBLISHED = Path(__file__).parents[3] / openapi.DEFAULT_PATH
METHODS = {"get", "put", "post", "patch", "delete", "head"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_routes().openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_published_document_is_that_of_the_code() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == openapi.render(), "run: make contracts"


def test_the_document_obeys_the_rules_of_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")

    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_rules_of_openapi_would_tell(document: dict[str, Any]) -> None:
    me = document["paths"]["/v1/me"]["get"]
    spoiled = {**document, "paths": {"/v1/{who}": {"get": {**me, "parameters": [{"name": "who"}]}}}}

    assert not OpenAPIV31SpecValidator(spoiled).is_valid()


def test_every_route_is_described_and_its_problems_declared(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert path.startswith("/v1/"), path
        assert operation["summary"], path
        assert operation["description"], path
        guarded = {"401", "403"} <= operation["responses"].keys()
        assert guarded is ("security" not in operation), (method, path)
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert "application/problem+json" in response["content"], (method, path, status)


def test_schemas_alone_need_no_key(document: dict[str, Any]) -> None:
    unguarded = {path for path, _, operation in operations(document) if operation.get("security") == []}

    assert unguarded == {"/v1/schemas", "/v1/schemas/{type}"}


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(ids) == len(set(ids))


def test_every_mutation_of_a_deployment_may_be_repeated_and_tried(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if "202" not in operation["responses"]:
            continue
        names = {parameter["name"].lower() for parameter in operation["parameters"]}
        assert {"idempotency-key", "if-match", "dry_run", "prefer"} <= names, (method, path)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        if isinstance(node, list):
            return [found for value in node for found in references(value)]
        return []

    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_reasons_are_never_renamed() -> None:
    reasons = {kind.reason(): int(kind.status) for kind in problems.ProblemError.__subclasses__()}

    assert reasons == {
        "AdmissionUnavailable": 503,
        "AliasNotFound": 404,
        "AliasReserved": 409,
        "AlreadyRunning": 409,
        "ArtifactHidden": 409,
        "ArtifactNotFound": 404,
        "BasicUserExists": 409,
        "BasicUserNotFound": 404,
        "BodyTooLarge": 413,
        "BuildEnded": 409,
        "BuildNotFound": 404,
        "CapacityExceeded": 409,
        "ChangedMeanwhile": 409,
        "DeadMessageNotFound": 404,
        "DeadMessageNotRetriable": 409,
        "DeadMessageOvertaken": 409,
        "DeadMessageSettled": 409,
        "DeadMessageUnreadable": 422,
        "DeploymentExists": 409,
        "DeploymentNotFound": 404,
        "DeploymentPurging": 409,
        "DeploymentsDisabled": 403,
        "DigestMismatch": 422,
        "EndpointKeyNotFound": 404,
        "EndpointKeyReplaced": 409,
        "EndpointKeysUnavailable": 503,
        "FileUnsettled": 409,
        "FoundFileMissing": 404,
        "GatewayAlive": 409,
        "GatewayNotFound": 404,
        "GroupNotFound": 404,
        "IdempotencyKeyReused": 422,
        "InstanceTypeNotFound": 404,
        "InternalFailure": 500,
        "InvalidRequest": 422,
        "KeyMissing": 401,
        "KeyNotFound": 404,
        "KeyUnknown": 401,
        "LogUnavailable": 503,
        "MalformedBody": 400,
        "MethodNotAllowed": 405,
        "NameClash": 409,
        "NameTaken": 409,
        "NoEarlierRelease": 409,
        "NotDeleted": 409,
        "NotPinned": 409,
        "NotRunning": 409,
        "NothingToRun": 409,
        "OperationNotFound": 404,
        "PreconditionFailed": 412,
        "ProjectionBehind": 503,
        "ProjectionUnavailable": 503,
        "QuotaExceeded": 403,
        "RecordUnreadable": 503,
        "ReleaseNotFound": 404,
        "ReleaseNotRestorable": 409,
        "RoleMissing": 403,
        "RouteUnknown": 404,
        "SchemaNotFound": 404,
        "SecretInUse": 409,
        "SecretNotFound": 404,
        "SecretsUnavailable": 503,
        "SourceMissing": 422,
        "Starting": 503,
        "StorageFull": 507,
        "TargetNotFound": 422,
        "TooManyWebhooks": 409,
        "UploadIncomplete": 400,
        "VersionHidden": 409,
        "VersionNotFound": 404,
        "VersionNotRunnable": 422,
        "VersionRemoved": 409,
        "WebhookNotFound": 404,
        "WebhookUnanswered": 503,
    }
