"""Lists of nodes, as the kernel writes and people type them, and which are named fast or slow."""

import re
from dataclasses import dataclass

from mmscand.errors import UsageError

_ID_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
MAX_NODES = 1024
"""MAX_NUMNODES is at most this (arch/x86/Kconfig: NODES_SHIFT)."""
_LIKE = "write it like 0,2-3"


@dataclass(frozen=True, slots=True)
class NamedNodes:
    """The nodes that an administrator names. None: all that the other side does not name.

    Where both are None, the kernel's tiers count.
    """

    fast: frozenset[int] | None = None
    slow: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if both := (self.fast or frozenset()) & (self.slow or frozenset()):
            raise UsageError(f"node {min(both)} is named fast and slow", hint="name each node once")

    @property
    def given(self) -> bool:
        """Whether any side is named."""
        return self.fast is not None or self.slow is not None


def parse_id_list(text: str) -> frozenset[int]:
    """A list in the kernel's format, as `0-2,5`; ValueError when it is none."""
    ids: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        match = _ID_RANGE.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first, last = int(match[1]), int(match[2] or match[1])
        if last >= MAX_NODES:
            raise ValueError(part)
        ids.update(range(first, last + 1))
    return frozenset(ids)


def parse_node_option(option: str, text: str) -> frozenset[int]:
    """A node list that a person typed; UsageError when it is empty or no list."""
    try:
        ids = parse_id_list(text)
    except ValueError:
        ids = frozenset()
    if not ids:
        raise UsageError(f"{option} {text!r} is not a list of nodes", hint=_LIKE)
    return ids


def nodes_of_options(fast: str | None, slow: str | None) -> NamedNodes:
    """Of `--fast-nodes` and `--slow-nodes`; UsageError when they make no sense."""
    return NamedNodes(
        None if fast is None else parse_node_option("--fast-nodes", fast),
        None if slow is None else parse_node_option("--slow-nodes", slow),
    )
