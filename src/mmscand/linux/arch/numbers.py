"""Numbers of Linux on x86-64."""

MACHINE = "x86_64"
"""As uname(2) has it."""

# arch/x86/entry/syscalls/syscall_64.tbl
NR_MOVE_PAGES = 279
NR_BPF = 321
NR_PIDFD_OPEN = 434
NR_PROCESS_MADVISE = 440

KERNEL_SPACE = 0xFF00_0000_0000_0000
"""Lowest kernel address with five levels (Documentation/arch/x86/x86_64/mm.rst)."""
TICKS_A_SECOND = 100
"""USER_HZ, in which /proc counts start times (proc_pid_stat(5))."""
DIRECT_MAP_STEP = 1 << 30
"""The direct map starts at a multiple of this (arch/x86/mm/kaslr.c)."""
ENCRYPTION_BITS = range(36, 52)
"""Where hardware puts the encryption bit: above physical memory, inside an entry's frame."""
