"""How much slower a core is here than another, and what that makes of the daemon's CPU budget.

Emulation makes a core some thirty times slower: by a budget that fits a server the daemon would
stand still. Needs nothing but Python itself.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from math import log

_ROUNDS, _REPEATS = 60_000, 5
_MOST_PERCENT, _MOST_BURST_S, _MOST_ACCESSES = 100.0, 3600.0, 1_000_000
"""The bounds of the knobs."""
_CHANGED = 1.3
"""Times as slow: less is what two measurements differ by."""


def work_s() -> float:
    """CPU seconds of a fixed piece of work; the least of a few tries, as disturbance only adds."""
    return min(timeit.repeat(_work, timer=time.process_time, number=1, repeat=_REPEATS))


def _work() -> None:
    # Bytecode, a dictionary and small objects: what the daemon does between its system calls.
    seen: dict[int, tuple[int, int]] = {}
    for number in range(_ROUNDS):
        seen[number & 1023] = (number, len(seen))


@dataclass(frozen=True, slots=True)
class Budget:
    """CPU time for scanning, and what justifies it, as knobs of the daemon."""

    percent: float
    burst_s: float
    accesses_per_bit: int
    """What scanning saves is weighed against the CPU time that it takes, so it has to grow too."""

    def scaled(self, factor: float) -> Budget:
        """The same budget on a core that is slower by this factor."""
        return Budget(
            round(min(_MOST_PERCENT, self.percent * factor), 2),
            round(min(_MOST_BURST_S, self.burst_s * factor), 1),
            round(min(_MOST_ACCESSES, self.accesses_per_bit * factor)),
        )

    def settings(self) -> dict[str, float]:
        """Knobs by name."""
        return {
            "cpu_budget_percent": self.percent,
            "cpu_burst_s": self.burst_s,
            "accesses_per_bit": self.accesses_per_bit,
        }


def factor(elsewhere_s: float, here_s: float) -> float:
    """By how much this core is slower than one that needs `elsewhere_s`; at least 1."""
    return max(1.0, here_s / elsewhere_s)


class Pace:
    """How slow a core is now, and the budget by that. What other work of the host takes from a
    guest counts as CPU time there: beside other guests a core is two to four times as slow.
    """

    def __init__(
        self, shipped: Budget, native_s: float, work: Callable[[], float] = work_s
    ) -> None:
        """`native_s` is what `work` takes elsewhere."""
        self._shipped = shipped
        self._native_s = native_s
        self._work = work
        self.slowness = factor(native_s, work())

    @property
    def budget(self) -> Budget:
        """That of the daemon here."""
        return self._shipped.scaled(self.slowness)

    def has_changed(self) -> bool:
        """Measure again; whether the budget is another one now."""
        slowness = factor(self._native_s, self._work())
        changed = abs(log(slowness / self.slowness)) > log(_CHANGED)
        if changed:
            self.slowness = slowness
        return changed


def configuration(settings: dict[str, float]) -> str:
    """A configuration file with these knobs."""
    return "\n".join(["[settings]", *(f"{name} = {value}" for name, value in settings.items()), ""])
