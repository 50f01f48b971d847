"""Shows what a command would do, and how two configurations differ."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipway.comparison_documents import Change, Plan
from slipway.rendering import spoken_binary

if TYPE_CHECKING:
    from slipway.invocation import Invocation


def show_plan(invocation: "Invocation", plan: Plan) -> None:
    """Show what would be done, what it would change, and what to know before."""
    if invocation.as_json:
        invocation.document(plan.as_json())
        return
    terminal = invocation.terminal
    terminal.say(f"{', '.join(plan.kinds)} of {plan.deployment} would be accepted:", style="bold")
    terminal.fields([(f"  {step.action}", step.detail) for step in plan.steps])
    if plan.changes:
        against = f"release {plan.compared_with}" if plan.compared_with else "nothing, which runs now"
        terminal.say(f"Compared with {against}:", style="bold")
        show_changes(invocation, plan.changes)
    downtime = plan.downtime or ("none" if plan.request else "")
    terminal.fields([("needs for a while", spoken_room(plan.surge or {})), ("downtime", downtime)])
    for notice in plan.notices:
        terminal.say(f"! {notice}", style="yellow")
    terminal.say("Nothing was changed.")


def show_changes(invocation: "Invocation", changes: Sequence[Change]) -> None:
    """Show fields with their values before and after."""
    from slipway.terminal import Column  # noqa: PLC0415 - Rich waits until something is shown

    columns = [Column(title=title) for title in ("FIELD", "BEFORE", "AFTER")]
    rows = [
        (each.field, spoken_value(each.before) or "-", spoken_value(each.after) or "-") for each in changes
    ]
    invocation.terminal.table(columns, rows)


def spoken_room(amounts: Mapping[str, float]) -> str:
    """Return the resources of which there is an amount."""
    said = [
        f"{spoken_binary(amount)} memory" if name == "memory_bytes" else _counted(amount, name)
        for name, amount in amounts.items()
        if amount
    ]
    return ", ".join(said)


def _counted(amount: float, name: str) -> str:
    return f"{amount:g} {name.removesuffix('s') if amount == 1 else name}"


def spoken_value(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a JSON value as people read it; nothing for null and for what is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False) if value else ""
