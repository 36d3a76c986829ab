"""Why pages of one process are where they are, for people who ask. Any thread; nothing is kept."""

from collections.abc import Mapping, Sequence

import numpy as np

from mmscand.heat.history import SlotRows
from mmscand.heat.word import FAST, KIND, KINDS, KNOWN, RATE, RATE_LEVELS, STATE, A
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    ByteArray,
    MappingNames,
    PageNumbers,
    UIntArray,
)
from mmscand.observe.why import MappingWhy, PageWhy, ProcessWhy
from mmscand.policy.eligible import RULES
from mmscand.reasons import HOT, REASONS
from mmscand.scan.process_answers import ProcessAnswers

_CODE = {name: code for code, name in enumerate(REASONS)}
_FAST = len(REASONS)
"""In place of a reason, of pages on the fast tier."""
_COLUMNS = _FAST + 1
_NONE = _COLUMNS
"""No page."""


class Why:
    """Of one process, as of now."""

    def __init__(self, answers: ProcessAnswers, now: float) -> None:
        self._answers = answers
        self._now = now
        self._codes = answers.reason_codes
        self._of_kind = _columns_of(self._codes)
        """(KINDS,) what each word without its tag is."""

    @property
    def has_rates(self) -> bool:
        """Whether the policy keeps rates: without them there are sizes alone."""
        return self._codes is not None

    def of(self, names: MappingNames, address: int | None, edge: float | None) -> ProcessWhy:
        """All mappings; or the page at an address, and the mapping that it is in."""
        process = self._answers.process
        if address is None:
            return ProcessWhy(process, self.has_rates, edge, tuple(self.mappings(names)), None)
        mappings = self._mapping_at(names, address)
        return ProcessWhy(process, self.has_rates, edge, mappings, self.page(address))

    def _mapping_at(self, names: MappingNames, address: int) -> tuple[MappingWhy, ...]:
        """Its name and its rule, and nothing of its pages."""
        at = int(np.searchsorted(names.ends, np.uint64(address), side="right"))
        if at >= len(names.names) or int(names.starts[at]) > address:
            return ()
        rule = self._rules(names.starts[at : at + 1])[0]
        start, end = int(names.starts[at]), int(names.ends[at])
        return (MappingWhy(names.names[at], start, end, rule, 0, {}),)

    def mappings(self, names: MappingNames) -> list[MappingWhy]:
        """Each with memory in it, and each that a rule leaves out."""
        counts = np.zeros((len(names.names) + 1, _COLUMNS), dtype=np.intp)
        for rows in self._answers.history.slots(0, 1 << 64):
            self._count(rows, names, counts)
        rules = self._rules(names.starts)
        columns = names.starts.tolist(), names.ends.tolist(), names.names, rules, counts.tolist()
        made = (
            MappingWhy(name, start, end, rule, found[_FAST], self._by_reason(found[: len(REASONS)]))
            for start, end, name, rule, found in zip(*columns, strict=False)
        )
        return [each for each in made if each.rule or each.fast or each.slow]

    def _by_reason(self, pages: Sequence[int]) -> Mapping[str, int]:
        if not self.has_rates:
            return {"": sum(pages)} if any(pages) else {}
        return {name: number for name, number in zip(REASONS, pages, strict=True) if number}

    def _rules(self, starts: UIntArray) -> list[str | None]:
        known = self._answers.mapping_rules
        if known is None:
            return [None] * len(starts)
        vmas, rules = known
        place = vmas.index_of(starts)
        found = np.where(place >= 0, np.append(rules, len(RULES))[place], len(RULES))
        return [RULES[number] if number < len(RULES) else None for number in found.tolist()]

    def _count(self, rows: SlotRows, names: MappingNames, counts: PageNumbers) -> None:
        """Add (mappings + 1, _COLUMNS) pages; the last row is for those of no mapping."""
        columns, mapping = self._columns(rows), self._mapping_of(rows, names)
        if mapping.size and (mapping == mapping.flat[0]).all():  # a GiB of one mapping: half a ms
            found = np.bincount(columns.reshape(-1), minlength=_COLUMNS + 1)[:_COLUMNS]
            counts[mapping.flat[0]] += found * rows.pages_per_slot
            return
        there = columns < _COLUMNS
        keys = np.broadcast_to(mapping, columns.shape)[there] * _COLUMNS + columns[there]
        counts += (
            np.bincount(keys, minlength=counts.size).reshape(counts.shape) * rows.pages_per_slot
        )

    def _mapping_of(self, rows: SlotRows, names: MappingNames) -> PageNumbers:
        """(rows, 1) where each row has slots of one mapping, else (rows, width)."""
        last = rows.addresses + np.uint64(HUGE_PAGE_BYTES)
        first = np.searchsorted(names.ends, rows.addresses, side="right")
        if ((np.searchsorted(names.starts, last, side="left") - first) <= 1).all():
            return np.minimum(first, len(names.names))[:, None]
        step = np.uint64(rows.pages_per_slot * PAGE_BYTES)
        slots = rows.addresses[:, None] + np.arange(rows.words.shape[1], dtype=np.uint64) * step
        return np.searchsorted(names.ends, slots, side="right")

    def _columns(self, rows: SlotRows) -> ByteArray:
        """(rows, width) reasons, _FAST, or _NONE, with what waits on the list and what would not
        move.
        """
        columns = self._of_kind.take(rows.words & KIND)
        start, end = int(rows.addresses[0]), int(rows.addresses[-1]) + HUGE_PAGE_BYTES
        for name, addresses in self._answers.kept_back(start, end):
            step = np.uint64(rows.pages_per_slot * PAGE_BYTES)
            row = np.searchsorted(rows.addresses, addresses, side="right") - 1
            column = ((addresses - rows.addresses[row]) // step).astype(np.intp)
            inside = (row >= 0) & (column < columns.shape[1])
            at = row[inside], column[inside]
            changes = columns[at] < (_FAST if name == "queued" else len(HOT))
            columns[at] = np.where(changes, _CODE[name], columns[at])
        return columns

    def page(self, address: int) -> PageWhy | None:
        """The one at an address; None where nothing is known of a page there."""
        for rows in self._answers.history.slots(address, address + 1):
            size = rows.pages_per_slot * PAGE_BYTES
            first = int(rows.addresses[0])
            column = (address - first) // size
            if column < rows.words.shape[1] and rows.words[0, column]:
                return self._page(rows, first + column * size, int(column))
        return None

    def _page(self, rows: SlotRows, address: int, column: int) -> PageWhy:
        word, answers = rows.words[0, column], self._answers
        fast, state = self.has_rates and bool(word & FAST), int(word & STATE)
        reason = None
        if not fast and self.has_rates:
            reason = tuple(REASONS)[self._columns(rows)[0, column]]
        failures, retry_s = answers.held(address, self._now)
        moved = answers.moved(address)
        rate, accesses, seconds = self._known(state)
        moved_s = None if moved is None else self._now - moved[0]
        promoted_s = moved_s if fast and moved_s and moved and not moved[1] else 0.0
        return PageWhy(
            address=address,
            pages=rows.pages_per_slot,
            fast=fast,
            rate=rate,
            accesses=accesses,
            seconds=seconds,
            reason=reason,
            failures=failures,
            retry_s=retry_s,
            moved_s=moved_s,
            demoted=moved is not None and moved[1],
            saved_s=(rate or 0.0) * promoted_s * answers.gain_s,
        )

    def _known(self, state: int) -> tuple[float | None, float, float]:
        if self._codes is None or not KNOWN[state]:
            return None, 0.0, 0.0
        accesses = float(A[state]) if A[state] >= 1 else 0.0
        seconds = float(A[state] / RATE[state % RATE_LEVELS])
        rates = self._answers.expected_rates
        return (None if rates is None else float(rates[state])), accesses, seconds


def _columns_of(codes: ByteArray | None) -> ByteArray:
    """Without rates all known pages are slow ones, and have no reason: policies of the RFC know no
    others.
    """
    kinds = np.arange(KINDS, dtype=np.uint16)
    if codes is None:
        return np.where(kinds == 0, _NONE, 0).astype(np.uint8)
    found = np.where(kinds & FAST != 0, _FAST, codes.take(kinds & STATE))
    return np.where(kinds == 0, _NONE, found).astype(np.uint8)
