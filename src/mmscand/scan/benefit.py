"""Whether promoting pays for a process: time that it saves against what scanning and moving take.

What is promoted and never used again costs its move twice, there and back, and the scanning that
found it. The time that is saved cannot be measured from outside, but it can be estimated: by a
sample of the promoted pages (scan.promoted) that says how many are accessed in each pass.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

from mmscand.model import BoolArray, Outcome, PageBlock, Process, Topology, UIntArray
from mmscand.observe.events import Planned
from mmscand.policy.plan import MovePlan
from mmscand.scan.promoted import PromotedSample
from mmscand.settings import Settings

Effort = str
FULL, SLOWED, STOPPED = "full", "slowed", "stopped"

_LATENCY_GAIN_NS = 100.0
"""Where the firmware gives no latencies (HMAT): CXL memory is 70 to 200 ns slower than local DRAM
(Pond, TPP, Soar/Alto)."""
_MOVE_S = 1.24e-6
"""A 4K page through move_pages takes 1.2 to 2.5 us (docs/reference/kernel-interfaces.md)."""
_LEAST_JUDGED = 64
"""Looks at promoted pages that a verdict takes: if none of them finds an access, at most one in 14
pages is in use (the rule of three: 4.6/64 at 99 %)."""
_CHEAP = 1e-3
"""Less than this share of a core is not worth a verdict: small processes, and those that sleep."""
_SLOWDOWN = 4
"""Times the period, when it does not pay. Migration is as much slower."""


@dataclass(frozen=True, slots=True)
class Account:
    """What one process brought in and took, in seconds; estimated, since it was taken up."""

    saved_s: float = 0.0
    """Accesses to promoted pages, times how much longer they would have taken."""
    spent_s: float = 0.0
    """CPU time of looking at it, and of moving."""
    judged: int = 0
    """Looks at promoted pages behind it."""

    def since(self, before: "Account") -> "Account":
        """What has been added."""
        return Account(
            self.saved_s - before.saved_s,
            self.spent_s - before.spent_s,
            self.judged - before.judged,
        )

    def __str__(self) -> str:
        return (
            f"saved about {self.saved_s:.3g} s for {self.spent_s:.3g} s spent, "
            f"by {self.judged} looks at promoted pages"
        )


class Benefit:
    """Of one process. Owned by the scanner thread, but for what `status` reads."""

    def __init__(self, topology: Topology, settings: Settings) -> None:
        self.settings = settings
        self.effort: Effort = FULL
        self.why = ""
        self.gain_s = latency_gain_ns(topology) * 1e-9
        self._saved_s = self._moving_s = 0.0
        self._cpu_s = 0.0
        self._judged = 0
        self._taken = Account()
        self.restart()

    def adopt_topology(self, topology: Topology) -> None:
        """Go by other latencies from now on."""
        self.gain_s = latency_gain_ns(topology) * 1e-9

    def adopt(self, settings: Settings) -> None:
        """Judge by other settings; at once where nobody is judged any more."""
        self.settings = settings
        if not self._wanted:
            self.effort, self.why = FULL, ""

    @property
    def _wanted(self) -> bool:
        """The RFC's profiles are the RFC's: nothing slows them down but their own rules."""
        return bool(self.settings.benefit_window_s) and self.settings.profile == "auto"

    def restart(self) -> None:
        """It runs another program (execve): go by what that one does."""
        self._sample = PromotedSample()
        self._arrived: list[Outcome] = []
        self._began_at: float | None = None
        """Of the window that is judged next; None before the first visit."""
        self.effort, self.why = FULL, ""
        self._retry_at = 0.0
        self._began = self.account

    @property
    def account(self) -> Account:
        """As of now."""
        return Account(self._saved_s, self._moving_s + self._cpu_s, self._judged)

    def take(self) -> Account:
        """What has been added since this was asked last."""
        before, self._taken = self._taken, self.account
        return self._taken.since(before)

    @property
    def slowdown(self) -> int:
        """Times the period that its pacing would have."""
        return _SLOWDOWN if self.effort == SLOWED else 1

    @property
    def pause_ms(self) -> int:
        """Least period."""
        # And half a second: a visit may come a quarter of one early (scan.coalesced_timers).
        return self.settings.benefit_retry_s * 1000 + 500 if self.effort == STOPPED else 0

    @property
    def promotes(self) -> bool:
        """Whether hot pages are queued at all."""
        return self.effort != STOPPED

    def weighed(self, process: Process, plan: MovePlan) -> Planned:
        """A plan with what it would bring at the least, an access being one cache miss, and what
        its moves would take.
        """
        saved_ms = 1e3 * plan.gained * self.gain_s
        moves_ms = 1e3 * (plan.promote + plan.demote) * _MOVE_S
        return Planned(process, **asdict(plan), saved_ms=saved_ms, moves_ms=moves_ms)

    def note(self, outcome: Outcome) -> None:
        """Take what became of a migration; its pages are looked at from the next visit on."""
        moved = int(outcome.moved.sum()) * outcome.migration.pages_per_slot
        self._moving_s += moved * _MOVE_S
        if moved and not (
            outcome.migration.shared or outcome.migration.demotes
        ):  # bits that others keep set say nothing
            self._arrived.append(outcome)

    def begin_visit(self) -> None:
        """What moved before a visit is on the top tier for all that it reads."""
        for outcome in self._arrived:
            addresses = outcome.migration.addresses[outcome.moved]
            self._sample.join(addresses, outcome.migration.pages_per_slot)
        self._arrived.clear()

    def look(
        self, block: PageBlock, to_age: BoolArray, counts: Counter[str], *, more: bool = True
    ) -> None:
        """Count what became of promoted pages, and add some to what is aged, if `more` may be."""
        looked = self._sample.look(block, to_age, more=more) if len(self._sample) else None
        if looked is None:
            return
        to_age[looked.to_age] = True
        counts["again"] += looked.again
        counts["returned"] += looked.returned
        self._judged += looked.judged
        accesses = looked.accessed * self.settings.accesses_per_bit
        self._saved_s += accesses * self.gain_s
        self._moving_s += looked.returned * _MOVE_S

    def unaged(self, addresses: UIntArray) -> None:
        """The bits of these slots could not be cleared."""
        self._sample.drop(addresses)

    def end_pass(self, rests: Callable[[UIntArray], BoolArray] | None = None) -> None:
        """A pass over the whole address space is over; see scan.promoted."""
        self._sample.end_pass(rests)

    def judge(self, now: float, cpu_s: float) -> bool:
        """After a visit, `cpu_s` being what all visits have used; whether the effort changed."""
        self._cpu_s = cpu_s
        before = self.effort
        if not self._wanted:
            return False
        if self._began_at is None:
            self._begin(now)
        elif self.effort == STOPPED:
            if now >= self._retry_at:
                self._go_on(FULL, "tried again", now)
        elif now - self._began_at >= self.settings.benefit_window_s:
            self._decide(self.account.since(self._began), now - self._began_at, now)
        return self.effort != before

    def _begin(self, now: float) -> None:
        self._began, self._began_at = self.account, now

    def _decide(self, window: Account, seconds: float, now: float) -> None:
        if window.judged < _LEAST_JUDGED:
            if not len(self._sample):
                self._begin(now)  # nothing that was promoted is there: nothing to judge by
            return
        cheap = self.effort == FULL and window.spent_s < _CHEAP * seconds
        if cheap or window.saved_s >= window.spent_s:
            self._go_on(FULL, f"it pays: {window}" if self.effort == SLOWED else "", now)
            return
        self._go_on(STOPPED if self.effort == SLOWED else SLOWED, f"it does not pay: {window}", now)

    def _go_on(self, effort: Effort, why: str, now: float) -> None:
        self.effort, self.why = effort, why
        self._retry_at = now + self.settings.benefit_retry_s
        self._begin(now)


def latency_gain_ns(topology: Topology) -> float:
    """How much longer a read takes on the slow tier; means over nodes, as the firmware says."""

    def mean(nodes: frozenset[int]) -> float | None:
        known = [n.read_latency_ns for n in topology.nodes if n.id in nodes]
        stated = [latency for latency in known if latency]
        return sum(stated) / len(stated) if stated else None

    slow, fast = mean(topology.slow), mean(topology.fast)
    gain = slow - fast if slow is not None and fast is not None else 0.0
    return gain if gain > 0 else _LATENCY_GAIN_NS
