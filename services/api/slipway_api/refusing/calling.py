"""What a deployment is called in an answer: as the request in hand called it, by its id or its name."""

from slipway_api.submitting.origins import current_names


def called(group: str, deployment: str) -> str:
    """Return what the request calls a deployment, of its id; in paths both lead to it."""
    return current_names().get((group, deployment), deployment)


def spoken(group: str, deployment: str) -> str:
    """Return group and deployment for a sentence, with the id beside a name."""
    name = called(group, deployment)
    return f"{group}/{name}" + ("" if name == deployment else f" (id {deployment})")


def path_of(group: str, deployment: str) -> str:
    """Return the path of a deployment in the API."""
    return f"/v1/groups/{group}/deployments/{called(group, deployment)}"
