"""Turns the smoke test of a manifest into the request that a version keeps."""

import json
from typing import Final

from slipway_contracts.manifest import ManifestEndpoint
from slipway_contracts.version import SmokeTest

_CONTENT_TYPE: Final = "content-type"


def smoke_test_of(endpoint: ManifestEndpoint) -> SmokeTest | None:
    """Return what to ask of a new replica, if the manifest says it; a JSON body brings its content type."""
    test = endpoint.smoke_test
    if test is None:
        return None
    headers, body = dict(test.headers), test.body
    if test.document is not None:
        body = json.dumps(test.document)
        if _CONTENT_TYPE not in map(str.lower, headers):
            headers[_CONTENT_TYPE] = "application/json"
    return SmokeTest(
        method=test.method or ("GET" if body is None else "POST"),
        path=test.path,
        headers=headers,
        body=body,
        status=test.expect.status,
        json_shape=test.expect.shape,
        latency_seconds=test.expect.latency,
    )
