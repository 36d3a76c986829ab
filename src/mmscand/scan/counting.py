"""What of a block goes into the counters of a visit."""

import numpy as np

from mmscand.heat.state import accessed_in_a_row
from mmscand.model import BoolArray, PageBlock, StateArray


def counted(block: PageBlock, state: StateArray, hot: BoolArray, cold: BoolArray) -> dict[str, int]:
    """4 KiB pages by what they are; `useful` is what pacing goes by, see observe.counters."""
    slow_accessed = block.slow & block.accessed
    slots = {
        "slow": _count(block.slow),
        "accessed": _count(slow_accessed),
        "useful": _count(block.slow & accessed_in_a_row(state, 1)),
        "hot": _count(hot),
        "cold": _count(cold),
    }
    # By subtraction: a count of a mask costs a fifth of making one.
    slots["fast"] = _count(block.present) - slots["slow"]
    slots["fast_accessed"] = _count(block.accessed) - slots["accessed"]
    return {name: number * block.pages_per_slot for name, number in slots.items()}


def _count(mask: BoolArray) -> int:
    return int(np.count_nonzero(mask))
