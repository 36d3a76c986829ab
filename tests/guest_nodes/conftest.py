"""These tests need kernels with three nodes: `tests/lab` boots one for each file."""

from support.guest_world import machine, world

__all__ = ["machine", "world"]
