"""Bodies of answers about what a command would do, and what differs."""

from pydantic import Field, JsonValue
from slipway_contracts.quota import Charge
from slipway_contracts.traffic import ReleaseRequest

from slipway_api.answers.views import View


class Difference(View):
    """A field of a release that differs; null: it is not there."""

    field: str = Field(examples=["size.cpu", "environment.LANG", "image.predict"])
    before: JsonValue
    after: JsonValue


class PlanStep(View):
    """Something that happens, in the order of the plan."""

    action: str = Field(
        description="`build`, `start`, `test`, `move`, `drain`, `end`, `configure` or `remove`.",
        examples=["start"],
    )
    detail: str = Field(examples=["Start 2 replicas of endpoint predict on local."])
    release: int | None = None


class Plan(View):
    """What a request with `dry_run=true` would do."""

    kinds: list[str] = Field(description="Commands that would be published, in this order.")
    group: str
    deployment: str
    request: ReleaseRequest | None = Field(default=None, description="The complete resolved configuration.")
    compared_with: int | None = Field(
        default=None, description="The release that serves now, from which `changes` are counted."
    )
    changes: list[Difference] = Field(default_factory=list, description="What would differ.")
    steps: list[PlanStep] = Field(default_factory=list, description="What would happen, in this order.")
    surge: Charge | None = Field(
        default=None, description="Room that is needed only while old and new replicas run beside each other."
    )
    downtime: str | None = Field(default=None, description="Why and how long nothing answers; null: never.")
    notices: list[str] = Field(default_factory=list, description="What to know before doing it.")
