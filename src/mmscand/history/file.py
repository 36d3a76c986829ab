"""The file: its tables, and how it is opened. SQLite in WAL mode, so that readers do not block."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from mmscand.control.causes import cannot
from mmscand.errors import MmscandError, UsageError

DEFAULT_HISTORY = Path("/var/lib/mmscand-api/history.db")
FORMAT = 1
"""user_version of the file: of the tables, not of what is in a sample."""
TABLES = """
CREATE TABLE IF NOT EXISTS sample (time INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS change_time ON change (time);
CREATE TABLE IF NOT EXISTS known (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
"""Times are Unix time in seconds. `known` has what the next answer of the daemon is compared with,
and how far old samples were thinned out."""
_BUSY_S = 5.0


def connected(path: Path, options: str) -> sqlite3.Connection:
    """`options` are those of SQLite's URI; sqlite3.Error when it cannot be opened."""
    uri = f"file:{quote(str(path.absolute()))}?{options}"
    return sqlite3.connect(
        uri,
        timeout=_BUSY_S,
        isolation_level=None,
        uri=True,
        check_same_thread=False,  # one thread opens it, and another one alone uses it
    )


def require_format(connection: sqlite3.Connection, path: Path) -> None:
    """UsageError where another version of mmscand wrote it otherwise; 0 is a new file."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found not in (0, FORMAT):
        raise UsageError(
            f"{path} was written by another version of mmscand (format {found})",
            hint="use that version, or name another file",
        )


@contextmanager
def opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """For a reader who may not write, while mmscand-api writes or does not run; MmscandError."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise _cannot_read(path, error) from None
    with closing(_reading(path)) as connection:
        require_format(connection, path)
        try:
            yield connection
        except sqlite3.Error as error:
            raise _unusable(path, error) from None


def _reading(path: Path) -> sqlite3.Connection:
    """In a folder that we may not write, an orderly closed file is read as one that stays."""
    failure: sqlite3.Error | None = None
    for options in ("mode=ro", "mode=ro&immutable=1"):
        connection = connected(path, options)
        try:
            connection.execute("SELECT count(*) FROM change").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            failure = error
        except sqlite3.Error as error:
            connection.close()
            raise _unusable(path, error) from None
        else:
            return connection
    assert failure is not None
    raise _unusable(path, failure)


def _cannot_read(path: Path, error: OSError) -> MmscandError:
    if isinstance(error, FileNotFoundError):
        return MmscandError(
            f"there is no history in {path}",
            hint="mmscand-api writes it: start that, or give --file",
        )
    return cannot("read", path, error)


def _unusable(path: Path, error: sqlite3.Error) -> MmscandError:
    return MmscandError(f"{path} cannot be read: {error}", hint="is it a history of mmscand-api?")
