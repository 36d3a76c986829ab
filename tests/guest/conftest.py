"""These tests need a kernel with two memory tiers that nobody else uses: `tests/lab` boots one."""

from support.guest_world import machine, world

__all__ = ["machine", "world"]
