"""Page tables that the kernel frees or replaces while they are read."""

from collections.abc import Callable

import numpy as np

from mmscand.linux.arch.x86_64 import ACCESSED
from mmscand.linux.page_tables import Walk
from mmscand.model import UIntArray
from synthetic.memory import FakeMemory
from synthetic.tables import HUGE, PAGE, PMD, PUD, REGION, PageTables, vma_table

BASE = 0xFFFF_8880_0000_0000


class _ChangingMemory(FakeMemory):
    """Something happens between the copy of page tables and that of what leads to them."""

    change: Callable[[], None] | None = None

    def read(self, addresses: UIntArray) -> UIntArray:
        if self.change is None or len(addresses) < 3:
            return super().read(addresses)
        before = super().read(addresses[:-2]).copy()
        self.change()
        return np.concatenate((before, super().read(addresses[-2:])))


def two_tables() -> tuple[PageTables, _ChangingMemory]:
    memory = _ChangingMemory(BASE)
    tables = PageTables(memory)
    for at in (0, HUGE):
        tables.map(at, 5 * PAGE + at)
    tables.map(2 * HUGE, 3 * HUGE, PMD)
    return tables, memory


def read_rows(tables: PageTables) -> tuple[list[int], int]:
    """Addresses of the rows that are believed, and tables that are not."""
    walk = Walk(
        tables.memory, tables.direct_map, tables.pgd, vma_table([(0, REGION)]), table_limit=99
    )
    rows = [int(a) for region in walk for leaves in region.leaves for a in leaves.addresses]
    return sorted(rows), walk.garbage


def table_of(tables: PageTables, shift: int) -> UIntArray:
    """The table with the entry of address 0, its first one, at this level."""
    return tables.memory.page(tables.table_for(0, shift))


def becomes(table: UIntArray, value: int) -> Callable[[], None]:
    def change() -> None:
        table[0] = value

    return change


def test_a_table_whose_entry_was_cleared_meanwhile_is_not_believed() -> None:
    tables, memory = two_tables()
    assert read_rows(tables) == ([0, HUGE, 2 * HUGE], 0)
    table = table_of(tables, PMD)
    memory.change = becomes(table, 0)
    assert read_rows(tables) == ([HUGE, 2 * HUGE], 1)


def test_a_table_that_was_replaced_meanwhile_is_not_believed() -> None:
    tables, memory = two_tables()
    table = table_of(tables, PMD)
    memory.change = becomes(table, int(table[1]))
    assert read_rows(tables) == ([HUGE, 2 * HUGE], 1)


def test_flags_of_the_entry_that_change_do_not_matter() -> None:
    tables, memory = two_tables()
    table = table_of(tables, PMD)
    memory.change = becomes(table, int(table[0]) ^ ACCESSED)
    assert read_rows(tables) == ([0, HUGE, 2 * HUGE], 0)


def test_of_a_region_that_was_unmapped_meanwhile_nothing_is_believed() -> None:
    tables, memory = two_tables()
    table = table_of(tables, PUD)
    memory.change = becomes(table, 0)
    assert read_rows(tables) == ([], 3)
