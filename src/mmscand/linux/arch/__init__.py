"""Everything that knows an architecture: formats of page-table entries, and the kernel's numbers.

x86_64 and numbers are of x86-64; entry_format and entries are of any with 4 KiB pages.
"""
