"""Gateways of the installation: what they have applied, and taking away one that is gone."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path

from slipway_api.answers.installation_views import Gateway
from slipway_api.answers.views import Page
from slipway_api.refusing import lifecycle_problems, problems
from slipway_api.routes.answers import responses
from slipway_api.routes.parameters import Admin, Api, Caller, InEarnest
from slipway_api.routes.part import make_router

router: Final = make_router("/v1", tags=("installation",))
_Gateway = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_-]+$", description="Name of the gateway.", examples=["edge-2"])
]


@router.get("/gateways", responses=responses(problems.LogUnavailableError), summary="List the gateways")
async def list_gateways(*, caller: Caller, api: Api) -> Page[Gateway]:
    """Lists who routes requests: a change of routes ends when each of these has applied it."""
    return Page(items=await api.gateways.all(caller))


@router.delete(
    "/gateways/{gateway}",
    dependencies=[InEarnest],
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(
        lifecycle_problems.GatewayNotFoundError,
        lifecycle_problems.GatewayAliveError,
        problems.LogUnavailableError,
    ),
    summary="Remove a gateway that is gone for good",
)
async def remove_gateway(*, gateway: _Gateway, caller: Admin, api: Api) -> None:
    """Nothing waits for it any more. Only when its Envoy has ended: it may still route to what leaves."""
    await api.gateways.remove(gateway, by=caller.user)
