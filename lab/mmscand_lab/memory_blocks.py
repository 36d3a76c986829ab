"""Memory of a node that goes offline and comes online, by sysfs (memory-hotplug.rst)."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from mmscand_lab.kernel import LabError

_NODES, _BLOCKS = Path("/sys/devices/system/node"), Path("/sys/devices/system/memory")


def blocks_of(node: int, root: Path = _NODES) -> list[Path]:
    """The memory blocks of a node, the last one first."""
    found = [path for path in (root / f"node{node}").iterdir() if _number(path.name) is not None]
    return sorted(found, key=lambda path: _number(path.name) or 0, reverse=True)


def _number(name: str) -> int | None:
    match = re.fullmatch(r"memory(\d+)", name)
    return int(match[1]) if match else None


def set_offline(node: int, count: int, root: Path = _NODES) -> list[Path]:
    """Take this number of blocks of the node offline; LabError where the kernel refuses that.

    The kernel refuses a block with memory that it cannot move (EBUSY), so all are tried.
    """
    done: list[Path] = []
    for block in blocks_of(node, root):
        if len(done) == count:
            break
        with suppress(OSError):
            (block / "state").write_text("offline")
            # The link below the node goes with its memory; this one stays.
            done.append(_BLOCKS / block.name if root == _NODES else block)
    if len(done) < count:
        raise LabError(
            f"node {node} has {len(done)} memory blocks that can go offline, {count} wanted",
            hint="its memory is in use; try a guest with more",
        )
    return done


def offline_blocks(root: Path = _BLOCKS) -> list[Path]:
    """The memory blocks of all nodes that are offline."""
    found = (path for path in root.iterdir() if _number(path.name) is not None)
    return [block for block in sorted(found) if not is_online(block)]


def is_online(block: Path) -> bool:
    """Whether it can be used."""
    return (block / "state").read_text().strip() == "online"


def set_online(blocks: list[Path]) -> None:
    """Bring them back. Raises OSError."""
    for block in blocks:
        (block / "state").write_text("online")
