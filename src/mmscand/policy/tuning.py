"""When the exposure is changed, and when pages are taken to have changed."""

from collections import deque

import numpy as np

_LEAST_DROP, _SIGMAS = 0.02, 6.0
"""A fall of the hit share that is a change: 2 %, and six standard deviations of chance."""
SATURATED = 0.97
"""Share of bits that are set when an exposure tells nothing."""
LEAST_OBSERVATIONS = 3
"""Exposures before anything is decided: two points make no distribution."""


class HitWatch:
    """Watches the share of fast-tier pages that are accessed: what bits show of a hit ratio."""

    def __init__(self) -> None:
        self._hits: deque[float] = deque(maxlen=4)

    def restart(self) -> None:
        """Other pages, or another exposure."""
        self._hits.clear()

    def add(self, hit: float) -> None:
        """One more exposure."""
        self._hits.append(hit)

    def fell(self, hit: float, pages: int) -> float:
        """By how much it is below what it was, if that is no chance; else 0."""
        if not self._hits or not pages:
            return 0.0
        usual = sum(self._hits) / len(self._hits)
        chance = float(np.sqrt(max(usual * (1 - usual), 1e-3) / pages))
        drop = usual - hit
        return drop if drop > max(_LEAST_DROP * usual, _SIGMAS * chance) else 0.0


class ExposureTuning:
    """When the exposure is looked at again, and how boldly it is changed."""

    _EVERY, _STRETCH, _LEAST = 3, 1.6, 1.4

    def __init__(self) -> None:
        self.age = 0
        self._due = self._EVERY
        self._boldness = 0.7
        self._last = 0.0

    def restart(self) -> None:
        """Something changed: look again soon."""
        self.age, self._due = 1, self._EVERY + 1

    def due(self, observations: int) -> bool:
        """Whether to look now."""
        return self.age >= self._due and observations >= LEAST_OBSERVATIONS

    def step(self, factor: float) -> float:
        """How far to go towards a factor; 1.0 is not at all. Turning back makes it careful."""
        self._due = max(self.age + self._EVERY, int(self.age * self._STRETCH))
        if factor == 1.0:
            return 1.0
        direction = float(np.sign(np.log(factor)))
        turned = direction * self._last < 0
        self._boldness = self._boldness * 0.6 if turned else min(1.0, self._boldness * 1.2)
        taken = factor**self._boldness
        if max(taken, 1 / taken) <= self._LEAST:
            return 1.0
        self._last = direction
        return float(taken)


class Lasting:
    """How long a placement holds: from one change that was noticed to the next."""

    _WEIGHT = 0.25

    def __init__(self, now: float = 0.0) -> None:
        self._began = now
        self._spans = 0
        self._mean = 0.0

    def changed(self, now: float, ago: float = 0.0) -> None:
        """The next span began a while ago. The first one counts whole, there was but a guess.

        With a quarter of it ten changes of `phases` went by before moves stopped that never paid.
        """
        self._spans += 1
        self._mean += (now - self._began - self._mean) * max(self._WEIGHT, 1 / self._spans)
        self._began = now - ago

    def lasts(self, now: float, guess: float) -> float:
        """How long the placement of now will hold; a guess where no change was seen."""
        return max(self._mean if self._spans else guess, now - self._began)
