"""Tables of any source into a Parquet file, batch by batch."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from mmscand.errors import MmscandError, UsageError

_ROW_GROUP_ROWS = 1 << 20
"""As DuckDB advises: 100 000 to 1 000 000 rows, so that readers can skip and use several cores."""


@dataclass(frozen=True, slots=True)
class LongTable:
    """What a source has: a recording (export.recorded), and others may follow."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]


def write_parquet(table: LongTable, path: Path) -> int:
    """Write a new file, whole or not at all, which its owner alone may read; how many rows.

    UsageError where there is one already or none can be made, MmscandError when it cannot be
    written.
    """
    if path.exists():
        raise UsageError(f"{path} exists", hint="name another file by --out, or remove it")
    part = path.with_name(f".{path.name}.part")
    try:
        # Addresses and names of processes are nobody else's business, as in the recording.
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(fd, "wb") as file:
            rows = _write(table, file)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MmscandError(
            f"cannot write {path}: {error.strerror or error}", hint="free some room"
        ) from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return rows


def _write(table: LongTable, file: object) -> int:
    rows, kept = 0, list[pa.RecordBatch]()
    with parquet.ParquetWriter(file, table.schema, compression="zstd") as writer:
        for batch in table.batches:
            kept.append(batch)
            if sum(map(len, kept)) >= _ROW_GROUP_ROWS:
                rows += _group(writer, kept, table.schema)
        rows += _group(writer, kept, table.schema)
    return rows


def _group(writer: parquet.ParquetWriter, batches: list[pa.RecordBatch], schema: pa.Schema) -> int:
    """Write what was kept; how many rows."""
    table = pa.Table.from_batches(batches, schema).unify_dictionaries()
    batches.clear()
    if len(table):
        writer.write_table(table, _ROW_GROUP_ROWS)
    return len(table)
