"""In which of the last six passes a page was accessed, in a word of two bytes.

Seven bits are the register of the last six observations, the latest in bit 0, with a one above the
oldest: so it says how many there are. Four bits come from the frame's number. All but these are
the state.
"""

import numpy as np

from mmscand.heat.bits import bit_count
from mmscand.heat.rows import TAG
from mmscand.model import BoolArray, ByteArray, StateArray

PASSES = 6
"""Observations that the register holds."""
REGISTER = np.uint16(0x7F)
KNOWN = np.uint16(1)
"""Seen before, and not observed yet: until then the Accessed bit says nothing, as a fresh mapping
has it."""
FAST = np.uint16(0x80)
"""On the fast tier when it was seen last."""
STUCK = np.uint16(0x100)
"""Without a register: the Accessed bit stays set whatever we do, as others map the page too, or as
it cannot be aged."""
_ZERO, _ONE = np.uint16(0), np.uint16(1)
_FULL = np.uint16(1 << PASSES)


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


def restarted(word: StateArray, state: np.uint16) -> StateArray:
    """With another register, where there is a state."""
    result: StateArray = np.where(word, word & (TAG | FAST) | state, _ZERO)
    return result


def accessed_in_a_row(state: StateArray, passes: int) -> BoolArray:
    """Which slots were accessed in each of the last `passes` observations."""
    wanted = np.uint16((1 << passes) - 1)
    result: BoolArray = (state & wanted == wanted) & (state & REGISTER > wanted)
    return result


def is_stuck(state: StateArray) -> BoolArray:
    """Which slots have a bit that means nothing."""
    result: BoolArray = (state & STUCK) != 0
    return result


def accessed_passes(state: StateArray) -> ByteArray:
    """In how many of the observations that are remembered each slot was accessed."""
    register = state & REGISTER
    passes: ByteArray = bit_count(register) - (register != 0)
    return passes
