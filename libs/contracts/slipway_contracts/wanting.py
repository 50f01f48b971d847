"""What is wanted of a deployment after a command that ends it, or takes that back. Pure."""

from slipway_contracts.commands import Delete, Purge, Stop, Undelete
from slipway_contracts.lifecycle import Wanted


def wanted_after(before: Wanted, command: Stop | Delete | Undelete | Purge) -> Wanted:
    """Return what is wanted then: only `undelete` leads back, and nothing but a new release from a purge."""
    match command:
        case Undelete():
            return Wanted.STOPPED if before is Wanted.DELETED else before
        case Stop():
            further = Wanted.STOPPED
        case Delete():
            further = Wanted.DELETED
        case Purge():
            further = Wanted.PURGED
    ends = list(Wanted)
    return max(before, further, key=ends.index)
