"""The policies by their names: the same for the daemon, in simulation and in replay."""

from collections.abc import Callable

from mmscand.model import Process
from mmscand.policy.interface import Knobs, Policy
from mmscand.policy.ranking import Ranking

DEFAULT = "capacity"
"""The one that ranks pages; all names are in settings.PolicyName."""


def policy_of(
    process: Process,
    knobs: Knobs,
    ranking: Ranking,
    now: Callable[[], float],
    *,
    records: bool = False,
    ages: bool = True,
) -> Policy:
    """Of the policy that the knobs name, for one process; `now` is a clock in seconds, the
    ranking's. `records`: every page is to be observed in each round. Without `ages` no bit is
    cleared, so that nothing can be learned of rates.
    """
    # A daemon loads what it decides by, and no more: a start in emulation takes 12 s.
    if knobs.policy == DEFAULT and ages:
        from mmscand.engine.stopwatch import Stopwatch  # noqa: PLC0415

        return Stopwatch(process, ranking, now, records=records)
    from mmscand.policy.by_rule import ByRule  # noqa: PLC0415

    return ByRule(knobs)
