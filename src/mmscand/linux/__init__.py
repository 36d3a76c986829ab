"""The real machine: the only code that names /proc, /sys, a system call or a page-table bit."""
