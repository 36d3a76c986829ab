"""Everything that knows x86-64: entries of page tables, and numbers that the kernel has for it."""
