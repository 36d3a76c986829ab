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
from functools import cache

import numpy as np

from mmscand.model import BoolArray, ByteArray, FloatArray, StateArray

RATE_BITS, RATE_LEVELS, OBSERVED_LEVELS = 7, 128, 8
STATES = RATE_LEVELS * OBSERVED_LEVELS
STATE = np.uint16(STATES - 1)
SEEN = np.uint16(0x400)
"""Nothing is learned of the page until its bit is cleared."""
FAST = np.uint16(0x800)
KINDS = 1 << 12
KIND = np.uint16(KINDS - 1)
"""All but the tag: the kind of a page."""
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
still resolve. A step is 0.2 octaves, 15 %."""
_STEPS_PER_OCTAVE = (RATE_LEVELS - 1) / _OCTAVES
RATE_STEP = float(np.log(2) / _STEPS_PER_OCTAVE)
"""From one level to the next, of the natural logarithm."""
RATE: FloatArray = _LOWEST_RATE * 2 ** (np.arange(RATE_LEVELS) / _STEPS_PER_OCTAVE)
"""(RATE_LEVELS,) accesses a second."""

_STATES = np.arange(STATES, dtype=np.uint16)
A: FloatArray = OBSERVED[_STATES >> RATE_BITS]
"""(STATES,) accesses that a state's rate is known from; 0.5 is none yet."""
B: FloatArray = A / RATE[_STATES & np.uint16(RATE_LEVELS - 1)]
"""(STATES,) seconds in which they were."""
KNOWN: BoolArray = (_STATES != UNKNOWN) & (_STATES != STUCK)
"""(STATES,) which say something of a page's rate."""
PROVEN: BoolArray = A >= 2
"""(STATES,) known from more than one access: one is no proof that there will be others (TPP)."""

_PARTS = 256
"""Of a level: what is between two levels is kept by chance, so that the mean stays right."""
_OBSERVED_SHIFT = np.uint32(16)
_DICE = np.frombuffer(random.Random(1).randbytes(1 << 17), dtype=np.uint8)
"""From the standard library: numpy.random would cost the daemon 3 MiB for this alone."""


Packed = np.ndarray[tuple[int], np.dtype[np.uint32]]
"""Estimates between the levels: the rate level in the low 16 bits, the observed one above them,
each with eight more bits."""


def packed(a: FloatArray, b: FloatArray) -> Packed:
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


def dice(count: int, throw: int) -> FloatArray:
    """(count,) numbers from 0 up to below 1, to a 256th; others for another `throw`."""
    thrown: FloatArray = _thrown(count, throw) / _PARTS
    return thrown


def rounded(estimates: Packed, throw: int) -> StateArray:
    """(n,) states: each level rounded up or down by chance; `throw` is another number each time."""
    count = len(estimates)
    thrown = _thrown(2 * count, throw)
    pairs = estimates.view("<u2").reshape(count, 2)
    level = pairs[:, 0] + thrown[:count] >> np.uint16(8)
    np.minimum(level, RATE_LEVELS - 2, out=level)
    observed = pairs[:, 1] + thrown[count:] >> np.uint16(8)
    np.minimum(observed, OBSERVED_LEVELS - 1, out=observed)
    result: StateArray = observed << np.uint16(RATE_BITS) | level
    return result


def _thrown(count: int, throw: int) -> ByteArray:
    first = throw % _PARTS
    return _dice_of((first + count).bit_length())[first : first + count]


@cache
def _dice_of(bits: int) -> ByteArray:
    """2 ** bits of them: as many as the largest block needs, made once."""
    return np.resize(_DICE, 1 << bits)
