"""These tests need a kernel with two memory tiers that nobody else uses: `tests/lab` boots one."""

from support.guest_world import machine, tiers_in_the_file, world

__all__ = ["machine", "tiers_in_the_file", "world"]
