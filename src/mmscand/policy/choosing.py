"""Which slots of a block go up, which come down, and which are aged: by the policy in force."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmscand.heat.history import History
from mmscand.heat.state import is_stuck
from mmscand.model import BoolArray, PageBlock, StateArray, UIntArray
from mmscand.policy.frequent import Frequent
from mmscand.policy.two_pass import TwoPass


class Knobs(Protocol):
    """The settings that matter here; see settings.Settings."""

    @property
    def policy(self) -> str:
        """Which one is in force."""
        ...

    @property
    def hot_passes(self) -> int:
        """A page accessed in this number of passes in a row is hot."""
        ...

    @property
    def quick_passes(self) -> int:
        """Over a new process that does not fit, as fast as exposures."""
        ...

    @property
    def scan_period_ms(self) -> int:
        """Of a new process: its first exposure."""
        ...

    @property
    def scan_period_max_ms(self) -> int:
        """No exposure is longer."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """Masks of the shape of the block's arrays."""

    state: StateArray
    up: BoolArray
    """To promote."""
    down: BoolArray
    """To demote."""
    stays: BoolArray
    """Not to be moved any more, should it be on the migration list."""
    to_age: BoolArray
    """Whose Accessed bit has to be cleared for the next pass to mean anything."""


@dataclass(frozen=True, slots=True)
class Held:
    """Slots that would not move when they were tried last; masks of the block's shape.

    They are not counted, so that nothing makes way for them, and are tried now and then.
    """

    slots: BoolArray
    due: BoolArray
    """Of these, that may be tried again."""

    def left_out(self, block: PageBlock) -> BoolArray:
        """Those that are not counted: on the fast tier only until they may be tried again."""
        left_out: BoolArray = self.slots & (block.slow | ~self.due)
        return left_out


class Chooser(Protocol):
    """Of one process, which it has the history of."""

    @property
    def history(self) -> History:
        """What was seen of its pages."""
        ...

    @property
    def exposure_s(self) -> float | None:
        """How long bits are to collect; None is from each pass to the next."""
        ...

    @property
    def changes(self) -> int:
        """How often what is hot was found to be other pages than before."""
        ...

    def choose(self, block: PageBlock, held: Held | None = None) -> Choice:
        """Fold the block into the history, and decide."""
        ...

    def to_clear(self, block: PageBlock) -> BoolArray:
        """Slots whose bit has to be cleared when an exposure begins."""
        ...

    def cleared(self) -> None:
        """An exposure has begun: all of these were."""
        ...

    def aged(self, block: PageBlock) -> None:
        """What was to be aged of a block that was chosen from is clear now."""
        ...

    def adopt(self, knobs: Knobs) -> None:
        """Go by other settings."""
        ...

    def queued(self, *, promoted: int, demoted: int) -> None:
        """These numbers of 4 KiB pages were put on the migration list."""
        ...

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """These slots were queued to go up, or down if it `demotes`, and are where they were."""
        ...

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """These slots are on the other tier now."""
        ...

    @property
    def hurries(self) -> bool:
        """Whether passes are to follow each other as fast as exposures do."""
        ...

    @property
    def begins(self) -> bool:
        """Whether bits have to be cleared before the next pass, as nobody has done it for it."""
        ...

    @property
    def opens(self) -> bool:
        """Whether nothing was seen yet: the first pass is an observation if it is cleared for."""
        ...

    @property
    def makes_room(self) -> bool:
        """Whether pages are to come down with the next pass, for others that wait to go up."""
        ...

    @property
    def glances(self) -> bool:
        """Whether this pass looked for accesses alone: what it counts are not all pages."""
        ...

    @property
    def due_s(self) -> float | None:
        """Clock time at which the next pass is wanted; None leaves that to the pacing."""
        ...

    def begin_pass(self, now: float) -> bool:
        """A pass begins, or goes on; whether it clears bits for later ones."""
        ...

    def slept(self, seconds: float) -> None:
        """The process could not access anything for these seconds since its last pass."""
        ...

    def end_pass(self, exposed_s: float | None = None) -> None:
        """A pass over the whole address space is over; how long its bits have collected."""
        ...

    def close(self) -> None:
        """The process is watched no more."""
        ...


class RuleChooser:
    """Hot is what a rule says of each page by itself; what comes down is the kernel's."""

    exposure_s = due_s = None
    hurries = begins = opens = makes_room = glances = False
    changes = 0

    def __init__(self, knobs: Knobs) -> None:
        self.history = History()
        self.adopt(knobs)

    def choose(self, block: PageBlock, held: Held | None = None) -> Choice:
        """See Chooser. A waiting page that was not accessed for a whole pass has cooled."""
        state = self.history.fold(block)
        hot, to_age = self._rule.hot(block, state), self._rule.to_age(block, state)
        if held is not None:
            hot &= ~held.slots | held.due
        stays = block.slow & ~block.accessed
        return Choice(state, hot, np.zeros_like(hot), stays, to_age)

    def to_clear(self, block: PageBlock) -> BoolArray:
        """See Chooser; nobody asks, as exposures last from pass to pass."""
        return block.accessed & block.slow & ~is_stuck(self.history.look_up(block))

    def cleared(self) -> None:
        """See Chooser."""

    def aged(self, block: PageBlock) -> None:
        """See Chooser."""

    def adopt(self, knobs: Knobs) -> None:
        """See Chooser."""
        self._rule = rule_of(knobs)

    def queued(self, *, promoted: int, demoted: int) -> None:
        """See Chooser."""

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """See Chooser. They prove themselves again. It never demotes."""
        self.history.restart(addresses, pages_per_slot)

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See Chooser."""

    def end_pass(self, exposed_s: float | None = None) -> None:
        """See Chooser."""
        self.history.end_pass()

    def begin_pass(self, now: float) -> bool:
        """See Chooser."""
        return True

    def slept(self, seconds: float) -> None:
        """See Chooser. What was accessed before stays known."""

    def close(self) -> None:
        """See Chooser."""


def rule_of(knobs: Knobs) -> TwoPass:
    """By the name of the policy; two passes where it has no rule, as `capacity` in a dry run."""
    rules = {"first-touch": TwoPass(1), "frequency": Frequent()}
    return rules.get(knobs.policy, TwoPass(knobs.hot_passes))
