"""What is remembered of one page: a word of two bytes, and what can be read from it.

Seven bits are the register of the last six observations, the latest in bit 0, with a one above the
oldest: so it tells how many there are. One bit says whether the page was on the fast tier. Four are
the average of what has left the register, and four come from the frame's number.
All but these are the state.
"""

import random

import numpy as np

from mmscand.model import BoolArray, ByteArray, FloatArray, StateArray

PASSES = 6
"""Observations that the register holds."""
REGISTER = np.uint16(0x7F)
KNOWN = np.uint16(1)
"""Seen before, and not observed yet: until then the Accessed bit says nothing, as a fresh mapping
has it."""
FAST = np.uint16(0x80)
"""On the fast tier when it was seen last."""
STUCK = np.uint16(0x100)
"""An average without a register: the Accessed bit stays set whatever we do, as others map the page
too, or as it cannot be aged."""
AVERAGE_SHIFT = np.uint16(8)
MOST_AVERAGE = np.uint16(15)
AVERAGE = MOST_AVERAGE << AVERAGE_SHIFT
AVERAGE_OBSERVATIONS = 14
"""What an average stands for: 1 is no access among them, 15 are fourteen, and 0 is no average."""
STATE = np.uint16(0xFFF)
TAG = np.uint16(0xF000)
STATES = 1 << 12
"""Values that a state can have."""
_ZERO, _ONE, _TWO = np.uint16(0), np.uint16(1), np.uint16(2)
_FULL = np.uint16(1 << PASSES)
_COLD = _FULL | _ONE << AVERAGE_SHIFT
_LARGEST_BLOCK, _THROWS = 1 << 18, 1 << 12
_DICE: StateArray = (
    np.frombuffer(random.Random(1).randbytes(2 * (_LARGEST_BLOCK + _THROWS)), dtype=np.uint16)
    % AVERAGE_OBSERVATIONS
)
"""Which observation of an average is replaced; another part is used each time.

From the standard library: numpy.random would cost the daemon 3 MiB for this alone.
"""


def observed(old: StateArray, accessed: BoolArray) -> StateArray:
    """States with one more observation, where there is a register."""
    register = old & REGISTER
    longer = register << _ONE
    longer |= accessed
    full = longer & (_FULL << _ONE)
    longer |= full >> _ONE
    longer &= REGISTER
    longer *= register != 0
    longer |= old & ~(REGISTER | TAG)
    return longer


def averaged(old: StateArray, new: StateArray, throw: int) -> StateArray:
    """`new` with an average that has taken in what left the register of `old`.

    It stands for fourteen observations, of which it knows how many were accesses: one of them by
    chance is replaced. So its own distribution is that of fourteen observations, no wider (the urn
    of Ehrenfest). `throw` is another number each time.
    """
    register, average = old & REGISTER, old >> AVERAGE_SHIFT & MOST_AVERAGE
    at = throw % _THROWS
    dice = _DICE[at : at + old.size].reshape(old.shape)
    later = average + (register >> np.uint16(PASSES - 1) & _ONE) - (dice < average - _ONE)
    if (starts := (new & REGISTER >= _FULL) & (average == 0)).any():
        later[starts] = _first_average(accessed_passes(new[starts]) / PASSES)
    full = new & REGISTER >= _FULL
    # What is not full has none, or is stuck and keeps what says so.
    result: StateArray = new & ~AVERAGE | np.where(full, later, average) << AVERAGE_SHIFT
    return result


def _first_average(shares: FloatArray) -> StateArray:
    """From the registers alone (n,): each between its own share and the mean of all.

    As near to its own as they differ by more than chance (James and Stein 1961): the six accesses
    that a register happens to have are no fourteen.
    """
    by_chance = float((shares * (1 - shares)).mean()) / (PASSES - 1)
    own = max(0.0, 1 - by_chance / max(float(shares.var()), 1e-9))
    average = shares.mean() + own * (shares - shares.mean())
    result: StateArray = np.rint(1 + average * AVERAGE_OBSERVATIONS).astype(np.uint16)
    return result


def shortened(word: StateArray, observations: int) -> StateArray:
    """With the latest observation alone, or with none, where there are more."""
    least = np.uint16(1 << observations)
    short = word & ~(REGISTER | AVERAGE) | least | word & (least - _ONE)
    result: StateArray = np.where(word & REGISTER >= _TWO * least, short, word)
    return result


def restarted(word: StateArray, state: np.uint16) -> StateArray:
    """With another register and average, where there is a state."""
    result: StateArray = np.where(word, word & (TAG | FAST) | state, _ZERO)
    return result


def accessed_in_a_row(state: StateArray, passes: int) -> BoolArray:
    """Which slots were accessed in each of the last `passes` observations."""
    wanted = np.uint16((1 << passes) - 1)
    result: BoolArray = (state & wanted == wanted) & (state & REGISTER > wanted)
    return result


def is_stuck(state: StateArray) -> BoolArray:
    """Which slots have a bit that means nothing."""
    result: BoolArray = (state & REGISTER == 0) & (state & AVERAGE != 0)
    return result


def on_fast(word: StateArray) -> BoolArray:
    """Which slots were on the fast tier when they were seen last."""
    result: BoolArray = word & FAST != 0
    return result


def used_fast(word: StateArray) -> BoolArray:
    """Which slots of the fast tier were accessed in their latest observation."""
    result: BoolArray = word & (FAST | _ONE) == FAST | _ONE
    return result


def unused_slow(word: StateArray) -> BoolArray:
    """Which slots of the slow tier have a full register, its latest observation without an access.

    Whatever their rate is. Would only the coldest be left alone (heat.turns), they would look as
    they do for longer than others, and more of them be found than there are.
    """
    result: BoolArray = word & (FAST | _FULL | _ONE) == _FULL
    return result


def cold(word: StateArray) -> BoolArray:
    """Which slots have a full register without an access, and an average without one; or no state.

    Nothing that was seen of them says that they will be accessed.
    """
    result: BoolArray = (word & (REGISTER | AVERAGE) == _COLD) | (word == _ZERO)
    return result


def in_use(word: StateArray) -> BoolArray:
    """Which slots have a full register whose latest observation is an access; or no state."""
    used = (word & REGISTER >= _FULL) & (word & _ONE != _ZERO)
    result: BoolArray = used | (word == _ZERO)
    return result


def accessed_passes(state: StateArray) -> ByteArray:
    """In how many of the observations that are remembered each slot was accessed."""
    register = state & REGISTER
    passes: ByteArray = np.bitwise_count(register) - (register != 0)
    return passes
