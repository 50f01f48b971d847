"""What the observations mean for the desired state: ready, failed, drained, gone. Pure.

Every rule looks at levels (the latest record of each replica and gateway), never at edges, so that a
judgement can be repeated, and one that was missed is made later.
"""

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.observed import Observed
from slipway_deployer.judging.restarts import judge_crash_loop, restart_crashed
from slipway_deployer.judging.retirement import finish_ending, forget_removed, retire_drained, trim
from slipway_deployer.judging.rollout import finish_shifts, judge_moves, judge_starting
from slipway_deployer.judging.settling import settled, without_expired_names


def judge(decision: Decision, observed: Observed) -> Decision:
    """Return what the observations change, at `decision.at`.

    `observed.revision` is the sequence of the desired record; a state that is not written yet is judged
    without gateways, for none can have applied it.
    """
    observed = observed.judging(decision.desired)
    # What waits for the gateways comes first: the later rules change what the gateways have yet to apply.
    decision = trim(decision, observed)
    decision = retire_drained(decision, observed)
    decision = finish_shifts(decision, observed)
    decision = settled(decision, observed)
    # Before the restarts, which put a replica that nobody has seen in the place of the one that tells why.
    decision = judge_crash_loop(decision, observed)
    decision = restart_crashed(decision, observed)
    decision = judge_starting(decision, observed)
    decision = judge_moves(decision, observed)
    decision = forget_removed(decision, observed)
    decision = without_expired_names(decision)
    return finish_ending(decision, observed)
