"""KVM for a guest: the host brings the kernel's modules and a machine, the guest loads them."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from mmscand_lab.guest_modules import bring_module, load_module
from mmscand_lab.kernel import GuestKernel
from mmscand_lab.kvm import require_machine
from mmscand_lab.one_cpu import one_cpu

PROGRAM = "kvm_machine"
_MODULE = "kvm-amd"
"""QEMU's emulation offers AMD's extension (SVM) and not Intel's."""
_CREATE_VM = 0xAE01
"""KVM_CREATE_VM of include/uapi/linux/kvm.h."""


def bring_kvm(kernel: GuestKernel, folder: Path) -> None:
    """Into a folder that the guest sees: its own /var hides where they are. LabError."""
    shutil.copy(require_machine(), folder / PROGRAM)
    bring_module(kernel, _MODULE, folder)


def load_kvm(folder: Path) -> Path:
    """Load what was brought; the program of a machine. Raises LabError, OSError."""
    with one_cpu():
        load_module(_MODULE, folder)
        _keep_a_machine()
    return folder / PROGRAM


def _keep_a_machine() -> None:
    """As long as the guest runs: with the first machine KVM's static key is switched on, with the
    last one off.
    """
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
    os.set_inheritable(machine, True)
    os.posix_spawnp("sleep", ["sleep", "infinity"], os.environ)
    os.close(machine)
    os.close(kvm)
