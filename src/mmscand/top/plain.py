"""The same rows as lines: for a pipe, and for a screen reader."""

from collections.abc import Iterator, Sequence

from mmscand.top.tables import Column, Frame


def lines(frame: Frame) -> Iterator[str]:
    """Head and table."""
    columns = frame.table.columns
    yield frame.when
    yield from frame.head
    yield ""
    yield row_text([each.heading for each in columns], columns)
    for row in frame.table.rows:
        yield row_text(row.cells, columns)


def row_text(cells: Sequence[str], columns: Sequence[Column]) -> str:
    """Cells in their columns; the last one is not cut."""
    padded = [
        f"{cell[: column.width]:{'>' if column.right else '<'}{column.width}}"
        for cell, column in zip(cells[:-1], columns, strict=False)
    ]
    return " ".join([*padded, cells[-1]]).rstrip()
