"""The interface of a policy: which slots of a block to promote, to demote and to age."""

from dataclasses import dataclass
from typing import Protocol

from mmscand.heat.history import History
from mmscand.model import BoolArray, ByteArray, FloatArray, PageBlock, StateArray, UIntArray
from mmscand.policy.placement import Placement
from mmscand.policy.plan import MovePlan


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


@dataclass(frozen=True, slots=True)
class Decision:
    """Masks of the shape of the block's arrays."""

    state: StateArray
    promote: BoolArray
    demote: BoolArray
    cancel: BoolArray
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


class Policy(Protocol):
    """Of one process, which it has the history of."""

    @property
    def history(self) -> History:
        """What was seen of its pages."""
        ...

    @property
    def exposure_s(self) -> float | None:
        """From one clearing of bits to the next; None is from each pass to the next."""
        ...

    @property
    def changes(self) -> int:
        """How often what is hot was found to be other pages than before."""
        ...

    def decide(self, block: PageBlock, held: Held | None = None) -> Decision:
        """Fold the block into the history, and decide."""
        ...

    def at_rest(self, block: PageBlock) -> BoolArray | None:
        """(rows,) in which nothing has happened for long: they go on resting, and the block is to
        be decided on without them; None where there is none.
        """
        ...

    def aged(self, block: PageBlock) -> None:
        """What was to be aged of a block that was chosen from is clear now."""
        ...

    @property
    def reads_soon(self) -> bool:
        """Whether the next pass is of use only if it comes in time: bits were just cleared."""
        ...

    @property
    def rereads(self) -> bool:
        """Whether what a pass has cleared is to be read again before the visit ends."""
        ...

    def reread(self, block: PageBlock) -> None:
        """Such a block was: look for accesses alone."""
        ...

    def begin_survey(self) -> None:
        """Rows of what is decided from now on are to be read again right after their aging."""
        ...

    def next_read(self) -> tuple[float, UIntArray] | None:
        """Clock time at which rows (n,) of 2 MiB are to be read again, by their starts; None where
        there are none, or no more.
        """
        ...

    def end_survey(self) -> None:
        """Nothing more of them is read."""
        ...

    def adopt(self, knobs: Knobs) -> None:
        """Go by other settings."""
        ...

    def queued(self, *, promoted: int, demoted: int) -> None:
        """These numbers of 4 KiB pages were put on the migration list."""
        ...

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """These slots were queued to be promoted, or demoted if `demotes`, and did not move."""
        ...

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """These slots are on the other tier now."""
        ...

    @property
    def hurries(self) -> bool:
        """Whether the process is new, or has changed: visits are not to wait for others."""
        ...

    @property
    def makes_room(self) -> bool:
        """Whether the next pass is to demote pages, as others wait to be promoted."""
        ...

    @property
    def planned(self) -> MovePlan | None:
        """What is to be moved as of now; None where nothing is known, or there is no plan."""
        ...

    @property
    def placement(self) -> Placement | None:
        """Where its pages are and why; None where the policy knows no rates. From any thread."""
        ...

    @property
    def reason_codes(self) -> ByteArray | None:
        """(states,) what keeps a page of each state on the slow tier, as a place in
        reasons.REASONS; None where the policy knows no rates. From any thread.
        """
        ...

    @property
    def expected_rates(self) -> FloatArray | None:
        """(states,) accesses a second to expect of a page of each state, nan where nothing is
        known; None where the policy knows no rates. From any thread.
        """
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
        """A pass begins, or goes on; whether it clears bits for later ones, so that it is an
        observation of all pages.
        """
        ...

    def slept(self, seconds: float) -> None:
        """The process could not access anything for these seconds since its last pass."""
        ...

    def end_pass(self) -> None:
        """A pass over the whole address space is over."""
        ...

    def close(self) -> None:
        """The process is watched no more."""
        ...
