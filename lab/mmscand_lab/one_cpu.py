"""While the kernel changes its own code: one CPU alone.

A static key (KVM has one in the scheduler, NUMA balancing another) is switched by a breakpoint that
is in the code for a moment. QEMU's emulation of several CPUs can run into one that the kernel has
forgotten already, and the guest panics: seen with 6.12 and 7.3 in one of a dozen runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CPUS, _CPUINFO = Path("/sys/devices/system/cpu"), Path("/proc/cpuinfo")
_EMULATED = "QEMU TCG"
"""In the name of each CPU that QEMU emulates."""


@contextmanager
def one_cpu(cpus: Path = _CPUS, cpuinfo: Path = _CPUINFO) -> Iterator[None]:
    """The CPUs that can be are offline meanwhile. Raises OSError.

    Nothing is done on a machine that is not emulated: its CPUs are others' too.
    """
    emulated = _EMULATED in cpuinfo.read_text(encoding="utf-8")
    online = sorted(cpus.glob("cpu*/online")) if emulated else []
    switches = [each for each in online if each.read_text() == "1\n"]
    switched: list[Path] = []
    try:
        for switch in switches:
            switch.write_text("0")
            switched.append(switch)
        yield
    finally:
        for switch in switched:
            switch.write_text("1")
