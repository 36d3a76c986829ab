"""Page-table entries of x86-64 (arch/x86/include/asm/pgtable_types.h, pgtable-invert.h)."""

from mmscand.linux.arch.entry_format import Bits, EntryFormat

PRESENT = 1 << 0
ACCESSED = 1 << 5
LARGE = 1 << 7
"""_PAGE_PSE: the entry of an upper level is a leaf."""
PROT_NONE = 1 << 8
"""_PAGE_PROTNONE: with PRESENT clear, a mapped page that nobody may touch. mprotect makes it,
and so does the hint scan of NUMA balancing. Swap and migration entries have it clear."""
SPECIAL = 1 << 9
"""The zero page, or memory that is no page of the kernel's (a PFN map): on no tier, never moved."""
UFFD = 1 << 10
"""_PAGE_BIT_UFFD_WP. With PROT_NONE it is a page that nobody has accessed since a program began to
watch it in RWP mode (Linux 7.3, areas that smaps marks `ur`): its owner evicts what stays so. Its
Accessed bit means nothing."""
FRAME = 0x000F_FFFF_FFFF_F000
"""Bits 12..51, PTE_PFN_MASK. The encryption bit of SME and TDX machines lies among them, and bit 12
of a large entry is PAT."""

X86_64 = EntryFormat(
    present=Bits(PRESENT | SPECIAL, PRESENT),
    hidden=Bits(PRESENT | PROT_NONE | SPECIAL | UFFD, PROT_NONE),
    mapped=PRESENT | PROT_NONE,
    table=Bits(PRESENT | LARGE, PRESENT),
    large=Bits(LARGE, LARGE),
    accessed=ACCESSED,
    frame=FRAME,
    user_entries=256,
    inverts_hidden=True,  # against L1TF
)
