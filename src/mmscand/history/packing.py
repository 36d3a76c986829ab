"""The bytes that a sample takes in the file, and how long which samples are kept.

Imports no table of fields, and so no numpy: `mmscand history` reads samples too.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from mmscand.shown import json_text

Sample = Mapping[str, Any]
"""`status`: numbers of the daemon; `groups`: of each group of processes their number, `now` and
`sums`."""
EVERY_S = 5
"""Seconds from one sample to the next."""
DAY_S = 86_400
KEPT = ((DAY_S, 60), (14 * DAY_S, 600))
"""Older than the first (seconds): of each such number of seconds the last is kept."""
KEPT_S = 365 * DAY_S
"""What is older is deleted."""
_LEVEL = 6
_DIGITS = 3


def packed(sample: Sample) -> bytes:
    """Two kilobytes: groups are a column for each of their numbers, so that no name is repeated."""
    groups = sample["groups"]
    parts = {part: _columns([each[part] for each in groups.values()]) for part in ("now", "sums")}
    processes = [each["processes"] for each in groups.values()]
    table = {"names": list(groups), "processes": processes, **parts}
    text = json_text(_rounded({"status": sample["status"], "table": table}))
    return zlib.compress(text.encode(), _LEVEL)


def unpacked(data: bytes) -> Sample:
    """ValueError when it is none."""
    try:
        found = json.loads(zlib.decompress(data))
        status, table = found["status"], found["table"]
        groups = {
            name: {
                "processes": table["processes"][row],
                "now": _row(table["now"], row),
                "sums": _row(table["sums"], row),
            }
            for row, name in enumerate(table["names"])
        }
    except (zlib.error, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no sample: {error}") from None
    return {"status": status, "groups": groups}


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    names = sorted({name for row in rows for name in row})
    return {name: [row.get(name, 0) for row in rows] for name in names}


def _row(columns: Mapping[str, Sequence[float]], row: int) -> dict[str, float]:
    return {name: column[row] for name, column in columns.items() if column[row]}


def _rounded(value: object) -> object:
    """Less than a millisecond, and less than a thousandth of a share, nobody looks at."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {str(key): _rounded(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
