"""How long a placement holds, so that it is known within what time a move has to pay."""

_WEIGHT = 0.25
"""Of the latest span: it counts for as much as the three before it."""


class PhaseLength:
    """How long a placement holds: from one change that was noticed to the next."""

    def __init__(self, now: float = 0.0) -> None:
        self._began = now
        self._spans = 0
        self._mean = 0.0

    def changed(self, now: float) -> None:
        """The next span begins. The first one counts whole, there was but a guess.

        With a quarter of it ten changes of `phases` went by before moves stopped that never paid.
        """
        self._spans += 1
        self._mean += (now - self._began - self._mean) * max(_WEIGHT, 1 / self._spans)
        self._began = now

    def expected(self, now: float, guess: float) -> float:
        """How long the present placement will hold; a guess where no change was seen."""
        return max(self._mean if self._spans else guess, now - self._began)
