"""The history in long form: a row for each sample, group of processes, field and key."""

from collections.abc import Iterator, Mapping
from itertools import islice

import pyarrow as pa

from mmscand.export.parquet import LongTable
from mmscand.history.reader import HistoryReader, Taken
from mmscand.observe.fields import fields_of
from mmscand.observe.groups import FIELDS
from mmscand.observe.status import DaemonStatus

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("s", tz="UTC")),
        ("group", _TEXT),  # of processes, by rule or name; null: the daemon
        ("field", _TEXT),  # its name and, where that does not say it, its unit
        ("key", _TEXT),  # of a field with several numbers: tier, state, reason, ...; null: one
        ("value", pa.float64()),
    ]
)
_SAMPLES = 64
"""Of a batch: with 40 groups some 50 000 rows."""
_Row = tuple[str | None, str, str | None, float]


def history_table(reader: HistoryReader, since: int, until: int) -> LongTable:
    """Samples from `since` up to before `until` (Unix time in s), as the batches are taken."""
    return LongTable(SCHEMA, _batches(reader, since, until))


def _batches(reader: HistoryReader, since: int, until: int) -> Iterator[pa.RecordBatch]:
    samples = reader.samples(since, until)
    while some := list(islice(samples, _SAMPLES)):
        rows = [(each.time, *row) for each in some for row in _rows(each)]
        columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(list(column), kind)
                for column, kind in zip(columns, SCHEMA.types, strict=True)
            ],
            schema=SCHEMA,
        )


def _rows(taken: Taken) -> Iterator[_Row]:
    known = {name: _with_unit(name, field.unit) for name, field in fields_of(DaemonStatus).items()}
    for name, value in taken.sample["status"].items():
        yield from ((None, known.get(name, name), key, number) for key, number in _numbers(value))
    of_groups = {name: _with_unit(name, field.unit) for name, field in FIELDS.items()}
    for group, each in taken.sample["groups"].items():
        yield group, "processes", None, float(each["processes"])
        for name, number in {**each["now"], **each["sums"]}.items():
            yield group, of_groups.get(name, f"{name}_pages"), None, float(number)


def _numbers(value: object, key: str = "") -> Iterator[tuple[str | None, float]]:
    """Each number inside, and where it is."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        yield from _numbers(dict(enumerate(value)), key)
    elif isinstance(value, bool | int | float):
        yield key or None, float(value)


def _with_unit(name: str, unit: str) -> str:
    """`edge` in accesses/s is `edge_accesses_per_s`; `fast_pages` says its unit."""
    words = {"%": "percent", "accesses/s": "accesses_per_s"}.get(unit, unit.lower())
    named = {"s" if part == "seconds" else part for part in name.split("_")}
    return name if not words or words in named else f"{name}_{words}"
