"""Writes the history, and keeps it small: by age, and by the size of the file."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from mmscand.control.causes import cannot
from mmscand.errors import MmscandError, UsageError
from mmscand.history.changes import Change
from mmscand.history.file import FORMAT, TABLES, connected, require_format
from mmscand.history.packing import KEPT, KEPT_S, Sample, packed
from mmscand.shown import json_text

MOST_BYTES = 200 << 20
_WAL_BYTES = 16 << 20
"""Of these, for the write-ahead log: a quarter by itself, more while somebody reads for long."""
_PAGE = 16_384
"""A sample is 2 KiB or so: several fit."""
_MOST_CHANGES = 10_000
_FULL_SHARE, _GIVEN_UP_SHARE = 0.95, 0.02
"""From the first on the oldest rows are deleted, so large a part of all at a time."""
_THIN_EVERY_S = 60


class HistoryFailed(MmscandError):
    """Nothing was written; the next try may work."""


class HistoryWriter:
    """Used by one thread. Each `add` is one transaction: after a kill it is there, or it is not."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """MmscandError where the file cannot be used; a broken one is set aside."""
        self.path = path
        self.set_aside = False
        """A file that was broken is beside it now, with the ending .broken."""
        self._log_bytes = min(_WAL_BYTES, most_bytes // 4)
        self._most_pages = max(16, (most_bytes - self._log_bytes) // _PAGE)
        self._thinned_at = 0
        self._lock = self._locked()
        try:
            self._connection = self._opened()
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is written afterwards."""
        self._connection.close()
        os.close(self._lock)

    def _locked(self) -> int:
        """Not the file itself: SQLite's own locks on it go when any descriptor of it is closed."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        try:
            number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise cannot("write", lock, error) from None
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(number)
            raise UsageError(
                f"another mmscand-api writes {self.path}", hint="stop it, or name another file"
            ) from None
        return number

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._set_up()
        except sqlite3.OperationalError as error:
            raise HistoryFailed(f"cannot write {self.path}: {error}") from None
        except sqlite3.DatabaseError:
            self.set_aside = True
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            self.path.replace(self.path.with_name(f"{self.path.name}.broken"))
            return self._set_up()

    def _set_up(self) -> sqlite3.Connection:
        connection = connected(self.path, "mode=rwc")
        try:
            require_format(connection, self.path)
            for pragma in (
                f"page_size = {_PAGE}",
                "journal_mode = WAL",
                "synchronous = NORMAL",  # a power failure may cost the last samples, no more
                f"wal_autocheckpoint = {self._log_bytes // 4 // _PAGE}",
                f"journal_size_limit = {self._log_bytes // 4}",
                f"max_page_count = {self._most_pages}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            connection.executescript(TABLES)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("SELECT count(*) FROM known").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def known(self) -> dict[str, Any]:
        """What was given to `add` last as `known`, from earlier runs too."""
        with self._failures():
            rows = self._connection.execute("SELECT name, value FROM known").fetchall()
        found = {}
        for name, value in rows:
            with suppress(ValueError):
                found[name] = json.loads(value)
        return found

    def add(
        self,
        time: int,
        sample: Sample | None,
        changes: Sequence[Change] = (),
        known: Mapping[str, Any] | None = None,
    ) -> None:
        """All of it or nothing; HistoryFailed says why nothing. `time` is Unix time in seconds."""
        with self._failures():
            while True:
                try:
                    self._add(time, sample, changes, known or {})
                    break
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                        raise
                # Of max_page_count this makes room; on a disk that is full it fails too.
                with self._transaction():
                    self._delete_oldest()
            if time - self._thinned_at >= _THIN_EVERY_S or time < self._thinned_at:
                self._thinned_at = time
                self._keep_small(time)

    def _add(
        self, time: int, sample: Sample | None, changes: Sequence[Change], known: Mapping[str, Any]
    ) -> None:
        with self._transaction():
            run = self._connection.execute
            if sample is not None:
                run("INSERT OR REPLACE INTO sample VALUES (?, ?)", (time, packed(sample)))
            for each in changes:
                row = (time, each.kind, each.words)
                run("INSERT INTO change (time, kind, words) VALUES (?, ?, ?)", row)
            for name, value in known.items():
                run("INSERT OR REPLACE INTO known VALUES (?, ?)", (name, json_text(value)))

    def _keep_small(self, now: int) -> None:
        with self._transaction():
            for age, step in KEPT:
                self._thin((now - age) // step * step, step)
            run = self._connection.execute
            run("DELETE FROM sample WHERE time < ?", (now - KEPT_S,))
            run("DELETE FROM change WHERE time < ?", (now - KEPT_S,))
            run(
                "DELETE FROM change WHERE id <= (SELECT max(id) FROM change) - ?",
                (_MOST_CHANGES,),
            )
        if self._used_pages() > self._most_pages * _FULL_SHARE:
            with self._transaction():
                self._delete_oldest()

    def _thin(self, until: int, step: int) -> None:
        """Of the samples before `until` the last of each `step` seconds stays."""
        run, name = self._connection.execute, f"thinned {step}"
        row = run("SELECT value FROM known WHERE name = ?", (name,)).fetchone()
        since = int(row[0]) if row else 0
        if until <= since:
            return
        run(
            "DELETE FROM sample WHERE time >= :since AND time < :until AND time NOT IN (SELECT "
            "max(time) FROM sample WHERE time >= :since AND time < :until GROUP BY time / :step)",
            {"since": since, "until": until, "step": step},
        )
        run("INSERT OR REPLACE INTO known VALUES (?, ?)", (name, str(until)))

    def _delete_oldest(self) -> None:
        run = self._connection.execute
        (rows,) = run("SELECT count(*) FROM sample").fetchone()
        if not rows:
            raise HistoryFailed(f"a sample is larger than all of {self.path} may be")
        few = max(1, int(rows * _GIVEN_UP_SHARE))
        run(
            "DELETE FROM sample WHERE time IN (SELECT time FROM sample ORDER BY time LIMIT ?)",
            (few,),
        )

    def _used_pages(self) -> int:
        run = self._connection.execute
        (pages,), (free,) = (
            run(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count")
        )
        return int(pages - free)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself, on a full disk
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            hint = "free some room there" if "full" in str(error) else "look at its folder"
            raise HistoryFailed(f"cannot write {self.path}: {error}", hint=hint) from None
