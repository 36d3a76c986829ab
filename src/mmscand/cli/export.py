"""`mmscand export`: a recording or the history as a table for data frames."""

import importlib.util
import time
from pathlib import Path
from typing import Any

import click

from mmscand.cli.options import PATH
from mmscand.errors import MachineCannot, UsageError
from mmscand.shown import shown


@click.command()
@click.argument("file", type=PATH, required=False)
@click.option("--to", type=click.Choice(["parquet"]), required=True, help="Format of the table.")
@click.option("--out", type=PATH, help="Write it here.  [default: FILE with another ending]")
@click.option(
    "--per",
    type=click.Choice(["row", "mapping"]),
    default="row",
    help="Of a recording: a line of the table for each 2 MiB of memory, or for each mapping.",
)
@click.option("--history", "is_history", is_flag=True, help="The history of mmscand-api.")
@click.option(
    "--since", default="24h", help="Of the history: yesterday, 3h, 14:00, 2026-05-31, ..."
)
@click.option("--until", default="now", help="End, in the same words.")
def export(
    file: Path | None,
    to: str,
    out: Path | None,
    per: Any,  # noqa: ANN401 - one of the choices
    is_history: bool,
    since: str,
    until: str,
) -> None:
    """Write the recording FILE, or the history, as a table in long form.

    A recording has a line for each pass, process and piece of memory; the history one for each
    sample, group of processes and field. pandas, Polars and DuckDB read it;
    docs/reference/recording.md has the columns. Needs no root.
    """
    if not importlib.util.find_spec("pyarrow"):
        raise MachineCannot(
            "exporting needs pyarrow, not installed here", hint="pip install 'mmscand[export]'"
        )
    if is_history:
        _history(file, out or Path(f"history.{to}"), since, until)
    elif file is None:
        raise UsageError("nothing to export", hint="name a recording, or give --history")
    else:
        _recording(file, out or file.with_suffix(f".{to}"), per)


def _recording(file: Path, out: Path, per: Any) -> None:  # noqa: ANN401 - one of the choices
    from mmscand.export.parquet import write_parquet  # noqa: PLC0415 - half a second
    from mmscand.export.recorded import long_table  # noqa: PLC0415
    from mmscand.record.file import Recording  # noqa: PLC0415

    recording = Recording(file)
    rows = write_parquet(long_table(recording, per), out)
    cut = "; the recording ends inside a pass" if recording.cut else ""
    print(shown(f"wrote {out}: {rows} lines{cut}"))


def _history(file: Path | None, out: Path, since: str, until: str) -> None:
    from mmscand.export.history import history_table  # noqa: PLC0415 - pyarrow, half a second
    from mmscand.export.parquet import write_parquet  # noqa: PLC0415
    from mmscand.history.file import DEFAULT_HISTORY  # noqa: PLC0415
    from mmscand.history.periods import period  # noqa: PLC0415
    from mmscand.history.reader import reading  # noqa: PLC0415

    begin, end = period(since, until, time.time())
    with reading(file or DEFAULT_HISTORY) as reader:
        rows = write_parquet(history_table(reader, begin, end), out)
    print(shown(f"wrote {out}: {rows} lines"))
