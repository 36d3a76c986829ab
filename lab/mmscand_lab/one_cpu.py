"""While the kernel changes its own code: one CPU alone.

A static key (KVM has one in the scheduler, NUMA balancing another) is switched by a breakpoint that
is in the code for a moment. QEMU's emulation of several CPUs can run into one that the kernel has
forgotten already, and the guest panics: seen with 6.12 and 7.3 in one of a dozen runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


@contextmanager
def one_cpu(cpus: Path = _CPUS) -> Iterator[None]:
    """The CPUs that can be are offline meanwhile. Raises OSError."""
    switches = [each for each in sorted(cpus.glob("cpu*/online")) if each.read_text() == "1\n"]
    switched: list[Path] = []
    try:
        for switch in switches:
            switch.write_text("0")
            switched.append(switch)
        yield
    finally:
        for switch in switched:
            switch.write_text("1")
