"""The policies of the RFC and its kind: a rule says of each page by itself whether it is hot.

Each pass clears the bits of the slow tier, which the next one reads. Demotion is left to the
kernel.
"""

from typing import Protocol

import numpy as np

from mmscand.heat.pass_history import PassHistory
from mmscand.heat.state import is_stuck
from mmscand.model import BoolArray, PageBlock, StateArray, UIntArray
from mmscand.policy.frequency import Frequency
from mmscand.policy.interface import Decision, Held, Knobs
from mmscand.policy.nothing import Nothing
from mmscand.policy.two_pass import TwoPass


class Rule(Protocol):
    """Which pages are hot."""

    def hot(self, state: StateArray) -> BoolArray:
        """Slots to promote, shape of `state` (heat.state)."""
        ...


class ByRule:
    """See policy.interface.Policy."""

    exposure_s = due_s = planned = placement = reason_codes = expected_rates = None
    hurries = makes_room = glances = rereads = reads_soon = False
    changes = 0

    def __init__(self, knobs: Knobs) -> None:
        self.history = PassHistory()
        self.adopt(knobs)

    def decide(self, block: PageBlock, held: Held | None = None) -> Decision:
        """See Policy. A waiting page that was not accessed for a whole pass has cooled."""
        state = self.history.fold(block)
        works = ~is_stuck(state)
        hot, to_age = self._rule.hot(state) & works, block.accessed & block.slow & works
        if held is not None:
            hot &= ~held.slots | held.due
        stays = block.slow & ~block.accessed
        return Decision(state, hot, np.zeros_like(hot), stays, to_age)

    def at_rest(self, block: PageBlock) -> None:
        """See Policy: none is."""

    def reread(self, block: PageBlock) -> None:
        """See Policy: none is."""

    def begin_survey(self) -> None:
        """See Policy: there is none."""

    def next_read(self) -> None:
        """See Policy."""

    def end_survey(self) -> None:
        """See Policy."""

    def aged(self, block: PageBlock) -> None:
        """See Policy."""

    def adopt(self, knobs: Knobs) -> None:
        """See Policy."""
        self._rule = rule_of(knobs)

    def queued(self, *, promoted: int, demoted: int) -> None:
        """See Policy."""

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """See Policy. They prove themselves again. It never demotes."""
        self.history.restart(addresses, pages_per_slot)

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See Policy."""

    def end_pass(self) -> None:
        """See Policy."""
        self.history.end_pass()

    def begin_pass(self, now: float) -> bool:
        """See Policy."""
        return True

    def slept(self, seconds: float) -> None:
        """See Policy. What was accessed before stays known."""

    def close(self) -> None:
        """See Policy."""


def rule_of(knobs: Knobs) -> Rule:
    """By the name of the policy. `capacity` has none; in a dry run it is shown by two passes."""
    rules: dict[str, Rule] = {
        "first-touch": TwoPass(1),
        "frequency": Frequency(),
        "nothing": Nothing(),
        **dict.fromkeys(("two-pass", "capacity"), TwoPass(knobs.hot_passes)),
    }
    return rules[knobs.policy]
