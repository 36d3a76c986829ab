"""`mmscand export`: a recording as a table for data frames."""

import importlib.util
from pathlib import Path
from typing import Any

import click

from mmscand.cli.options import PATH
from mmscand.errors import MachineCannot
from mmscand.shown import shown


@click.command()
@click.argument("file", type=PATH)
@click.option("--to", type=click.Choice(["parquet"]), required=True, help="Format of the table.")
@click.option("--out", type=PATH, help="Write it here.  [default: FILE with another ending]")
@click.option(
    "--per",
    type=click.Choice(["row", "mapping"]),
    default="row",
    help="A line of the table for each 2 MiB of memory, or for each mapping.",
)
def export(
    file: Path,
    to: str,
    out: Path | None,
    per: Any,  # noqa: ANN401 - one of the choices
) -> None:
    """Write the recording FILE as a table in long form: a line for each pass, process and memory.

    pandas, Polars and DuckDB read it; docs/reference/recording.md has its columns. Needs no root.
    """
    if not importlib.util.find_spec("pyarrow"):
        raise MachineCannot(
            "exporting needs pyarrow, not installed here", hint="pip install 'mmscand[export]'"
        )
    from mmscand.export.parquet import write_parquet  # noqa: PLC0415 - half a second
    from mmscand.export.recorded import long_table  # noqa: PLC0415
    from mmscand.record.file import Recording  # noqa: PLC0415

    recording, path = Recording(file), out or file.with_suffix(f".{to}")
    rows = write_parquet(long_table(recording, per), path)
    cut = "; the recording ends inside a pass" if recording.cut else ""
    print(shown(f"wrote {path}: {rows} lines{cut}"))
