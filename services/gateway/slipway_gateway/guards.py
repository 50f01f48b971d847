"""Who may call, in Envoy's words: filters that are off until a route switches them on with its own rules.

A route that is open to everyone runs none of them.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, assert_never

from slipway_gateway.envoy_json import discovery, text, typed
from slipway_gateway.envoy_names import KEY_CLAIMS, KEY_IDS, KEY_REQUIREMENT, KEYS, PASSWORDS
from slipway_gateway.model import Keys, Passwords
from slipway_gateway.problem import CREDENTIALS

_JWT: Final = "envoy.extensions.filters.http.jwt_authn.v3"
_RBAC: Final = "envoy.extensions.filters.http.rbac.v3"
_BASIC: Final = "envoy.extensions.filters.http.basic_auth.v3"
_JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
_ISSUER: Final = "slipway"
_DIGEST: Final = re.compile(r"[A-Za-z0-9+/]{27}=")
# Envoy takes no empty list of users; no password is known whose digest is zero.
_NOBODY: Final = "nobody:{SHA}" + "A" * 27 + "="


def filters(keys_path: str) -> list[dict[str, Any]]:
    """Return the filters, in the order in which they have to stand, before any that reads a body.

    Args:
        keys_path: file with what `key_check` made.
    """
    passwords = typed(f"{_BASIC}.BasicAuth", users={"inline_string": _NOBODY})
    check = {
        "config_source": {"path_config_source": {"path": keys_path}, "resource_api_version": "V3"},
        "type_urls": [_jwt_filter()["@type"]],
        # Without a provider every key is refused: what guards fails closed.
        "default_config": _jwt_filter(),
        "apply_default_config_without_warming": True,
    }
    return [
        {"name": PASSWORDS, "disabled": True, "typed_config": passwords},
        {"name": KEYS, "disabled": True, "config_discovery": check},
        {"name": KEY_IDS, "disabled": True, "typed_config": typed(f"{_RBAC}.RBAC")},
    ]


def key_check(jwks: str | None) -> bytes:
    """Return the discovery document of the filter that checks keys by a JWKS; without one it refuses all."""
    provider = {
        "issuer": _ISSUER,
        "local_jwks": {"inline_string": jwks},
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}, {"name": "x-api-key"}],
        "forward": False,
        "payload_in_metadata": KEY_CLAIMS,
        # Zero would be Envoy's minute.
        "clock_skew_seconds": 1,
    }
    config = _jwt_filter() if jwks is None else _jwt_filter(provider)
    return discovery(
        [text(typed("envoy.config.core.v3.TypedExtensionConfig", name=KEYS, typed_config=config))]
    )


def rules(guard: Passwords | Keys) -> Mapping[str, Any]:
    """Return what a guarded route says to the filters, by name of the filter."""
    match guard:
        case Passwords():
            # One digest that is none, and Envoy would go on by the routes from before, perhaps open ones.
            digests = {name: each for name, each in guard.digests.items() if _DIGEST.fullmatch(each)}
            users = [f"{name}:{{SHA}}{digest}" for name, digest in sorted(digests.items())]
            htpasswd = "\n".join(users or [_NOBODY])
            return {PASSWORDS: typed(f"{_BASIC}.BasicAuthPerRoute", users={"inline_string": htpasswd})}
        case Keys():
            return {
                KEYS: typed(f"{_JWT}.PerRouteConfig", requirement_name=KEY_REQUIREMENT),
                KEY_IDS: typed(f"{_RBAC}.RBACPerRoute", rbac={"rules": _known_keys(guard)}),
            }
        case _:
            assert_never(guard)


def rules_of(route: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a route of Envoy's says to the filters, by name of the filter."""
    said = route.get("typed_per_filter_config", {})
    return {name: said[name] for name in (PASSWORDS, KEYS, KEY_IDS) if name in said}


def valid_key() -> dict[str, Any]:
    """Return the log filter of requests whose key is one of this installation, whatever it opens."""
    path = [{"key": KEY_CLAIMS}, {"key": "jti"}]
    matcher = {"filter": _JWT_FILTER, "path": path, "value": {"present_match": True}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}}


def consumed_headers(guard: Passwords | Keys | None) -> list[str]:
    """Return the headers that the filters leave in a request and no replica must see."""
    return ["authorization"] if isinstance(guard, Passwords) else []


def members(guard: Passwords | Keys) -> Mapping[str, str]:
    """Return what the problem of a refused request says of this guard."""
    match guard:
        case Passwords():
            how = "a user's name and password (`curl -u NAME:PASSWORD`)"
        case Keys():
            how = "a valid key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
        case _:
            assert_never(guard)
    return {CREDENTIALS: how}


def _jwt_filter(provider: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if provider is None:
        return typed(f"{_JWT}.JwtAuthentication")
    requirement = {KEY_REQUIREMENT: {"provider_name": _ISSUER}}
    return typed(f"{_JWT}.JwtAuthentication", providers={_ISSUER: provider}, requirement_map=requirement)


def _known_keys(guard: Keys) -> dict[str, Any]:
    """Only what is listed opens: a key outlives the deployment, also one that is made anew under its id."""
    if not guard.ids:
        return {"action": "ALLOW"}
    audience = _claim("aud", guard.audience)
    ids = {"or_ids": {"ids": [_claim("jti", each) for each in guard.ids]}}
    policy = {"permissions": [{"any": True}], "principals": [{"and_ids": {"ids": [audience, ids]}}]}
    return {"action": "ALLOW", "policies": {"keys": policy}}


def _claim(name: str, value: str) -> dict[str, Any]:
    path = [{"key": KEY_CLAIMS}, {"key": name}]
    exact = {"string_match": {"exact": value}}
    return {"metadata": {"filter": _JWT_FILTER, "path": path, "value": exact}}
