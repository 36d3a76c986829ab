"""Heat of one process as the object that an answer has."""

import math
from typing import Any

from mmscand.heat.picture import ProcessHeat

Json = dict[str, Any]


def heat_object(found: ProcessHeat) -> Json:
    """Mappings with memory in them, and pieces of it; addresses and 4 KiB pages.

    `heat` of a piece is the mean of its pages whose heat is known, in `unit` (rate: accesses a
    second; passes: of the last six), null where nothing is known; `mapping` is a place in
    `mappings`, null where none is there now.
    """
    pieces, names = found.pieces, found.pieces.mappings
    mappings = zip(names.names, names.starts.tolist(), names.ends.tolist(), strict=True)
    columns = (
        pieces.mapping,
        pieces.starts,
        pieces.ends,
        pieces.heat,
        pieces.known,
        pieces.slow,
        pieces.fast,
    )
    return {
        "pid": found.process.pid,
        "name": found.process.name,
        "unit": pieces.unit,
        "mappings": [
            {"name": name.decode(errors="surrogateescape"), "start": start, "end": end}
            for name, start, end in mappings
        ],
        "pieces": [
            {
                "mapping": at if at < len(names.names) else None,
                "start": start,
                "end": end,
                "heat": None if math.isnan(heat) else round(heat, 4),
                "told_pages": known,
                "slow_pages": slow,
                "fast_pages": fast,
            }
            for at, start, end, heat, known, slow, fast in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ],
    }
