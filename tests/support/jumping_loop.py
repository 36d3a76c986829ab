"""An event loop whose clock is set forward by the test."""

import asyncio


class JumpingLoop(asyncio.SelectorEventLoop):
    """`later_s` is how much later than the clock of the machine it is."""

    later_s = 0.0

    def time(self) -> float:
        return super().time() + self.later_s
