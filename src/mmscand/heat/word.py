"""What the stopwatch remembers of one page: a word of two bytes.

    bits 0-6    rate level: accesses a second, on a logarithmic scale
    bits 7-9    observed level: from how many accesses the rate is known
    bit  10     SEEN: the Accessed bit is set and was counted
    bit  11     FAST: on the fast tier when the page was read last
    bits 12-15  from the frame's number

The lowest ten bits are the state. An estimate is a gamma distribution of the page's rate: `a`
accesses in `b` seconds, mean a / b (Gelman et al., Bayesian Data Analysis, section 2.6). Both come
from the two levels: a is OBSERVED[observed level], b is a / RATE[rate level].
"""

import random

import numpy as np

from mmscand.model import BoolArray, FloatArray, StateArray

RATE_BITS, RATE_LEVELS, OBSERVED_LEVELS = 7, 128, 8
STATES = RATE_LEVELS * OBSERVED_LEVELS
STATE = np.uint16(STATES - 1)
SEEN = np.uint16(0x400)
"""Nothing is learned of the page until its bit is cleared."""
FAST = np.uint16(0x800)
TAG = np.uint16(0xF000)
STUCK = np.uint16(RATE_LEVELS - 1)
"""The bit stays set whatever is done: others map the page, or it cannot be aged. As states this one
and the next are impossible: no estimate has the highest rate."""
UNKNOWN = np.uint16(2 * RATE_LEVELS - 1)
"""No observation yet. A word of 0 is no page."""

OBSERVED: FloatArray = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0])
"""(OBSERVED_LEVELS,) accesses. 0.5 stands for none yet. The last is where old observations begin to
be forgotten: 16 leave zipf 0.99 0.6 points from the optimum, 32 leave 0.4."""
MOST_OBSERVED = float(OBSERVED[-1])
_LOWEST_RATE, _OCTAVES = 1 / 500, 25.0
"""From an access in 500 s to 67 000 a second: what a bit that is read 0.3 ms after its clearing can
still tell. A step is 0.2 octaves, 15 %."""
_STEPS_PER_OCTAVE = (RATE_LEVELS - 1) / _OCTAVES
RATE: FloatArray = _LOWEST_RATE * 2 ** (np.arange(RATE_LEVELS) / _STEPS_PER_OCTAVE)
"""(RATE_LEVELS,) accesses a second."""

_STATES = np.arange(STATES, dtype=np.uint16)
A: FloatArray = OBSERVED[_STATES >> RATE_BITS]
"""(STATES,) accesses that a state's rate is known from; 0.5 is none yet."""
B: FloatArray = A / RATE[_STATES & np.uint16(RATE_LEVELS - 1)]
"""(STATES,) seconds in which they were."""
KNOWN: BoolArray = (_STATES != UNKNOWN) & (_STATES != STUCK)
"""(STATES,) which say something of a page's rate."""

_PARTS = 256
"""Of a level: what is between two levels is kept by chance, so that the mean stays right."""
_OBSERVED_SHIFT = np.uint32(16)
_DICE = np.frombuffer(random.Random(1).randbytes(1 << 17), dtype=np.uint8)
"""From the standard library: numpy.random would cost the daemon 3 MiB for this alone."""


def packed(a: FloatArray, b: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """(n,) estimates between the levels, as `rounded` takes them: levels with eight more bits."""
    rates = np.log2(np.maximum(a / np.maximum(b, 1e-9), _LOWEST_RATE) / _LOWEST_RATE)
    # A word of 0 is no page, and the highest level is no estimate.
    level = np.clip(rates * _STEPS_PER_OCTAVE, 1, RATE_LEVELS - 2)
    observed = np.interp(a, OBSERVED, np.arange(OBSERVED_LEVELS))
    low = np.rint(level * _PARTS).astype(np.uint32)
    return low | np.rint(observed * _PARTS).astype(np.uint32) << _OBSERVED_SHIFT


def less_observed(words: StateArray, most: int) -> StateArray:
    """Words with the observed level `most` at most; the rate stays."""
    state = words & STATE
    observed = np.minimum(state >> np.uint16(RATE_BITS), np.uint16(most))
    fewer = words & ~STATE | observed << np.uint16(RATE_BITS) | state & np.uint16(RATE_LEVELS - 1)
    result: StateArray = np.where(KNOWN[state], fewer, words)
    return result


def chosen(chances: FloatArray, throw: int) -> BoolArray:
    """(n,) which of these to pick, each by its own chance, to a 256th."""
    dice = np.resize(_DICE[throw % _PARTS :], len(chances))
    result: BoolArray = dice < np.rint(chances * _PARTS)
    return result


def rounded(estimates: np.ndarray[tuple[int], np.dtype[np.uint32]], throw: int) -> StateArray:
    """(n,) states: each level rounded up or down by chance; `throw` is another number each time."""
    count = len(estimates)
    dice = np.resize(_DICE[throw % _PARTS :], 2 * count).astype(np.uint32)
    level = (estimates & np.uint32(0x7FFF)) + dice[:count] >> np.uint32(8)
    np.minimum(level, RATE_LEVELS - 2, out=level)
    observed = (estimates >> _OBSERVED_SHIFT) + dice[count:] >> np.uint32(8)
    np.minimum(observed, OBSERVED_LEVELS - 1, out=observed)
    result: StateArray = (observed << np.uint32(RATE_BITS) | level).astype(np.uint16)
    return result
