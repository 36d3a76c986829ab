"""Every number that the daemon runs by, with its unit and the reason for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Fixed for the life of a daemon."""

    scan_period_ms: int = 1000
    """Time between two passes over a process. The RFC tunes 400..5000 ms; at 1 s a hot page is
    promoted within 3 s and a pass over 64 GiB (25 ms) costs 2.5 % of a core."""

    hot_passes: int = 2
    """Accessed in this many passes in a row is hot: one touch proves nothing (RFC V3, TPP)."""

    shared_recheck_passes: int = 32
    """Passes after which pages that were shared are looked at again: half a minute at the default
    period, so that the look (15 us for 2 MiB) is lost in the cost of the passes between."""

    migration_list_slots: int = 262_144
    """What may wait for the migrator: 1 GiB of 4K pages, 2 MiB of addresses. More would be stale
    before its turn comes."""

    migrate_batch_pages: int = 2048
    """Pages a move_pages call. Each call drains the LRU caches of all CPUs once, so at least 512
    (pghot's default); at 1.2-2.5 us a page this is 5 ms, and as soon is a stop noticed."""

    room_pages: int = 2048
    """Pages that a target must have free above its high watermark before a batch goes there: the
    batch itself, so that a promotion never makes kswapd run."""
