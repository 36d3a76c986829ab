"""A recording as a table: what pandas, Polars and DuckDB read of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand.errors import UsageError
from mmscand.export.parquet import LongTable, write_parquet
from mmscand.export.recorded import SCHEMA, long_table
from mmscand.model import HUGE_PAGE_BYTES, REGION_BYTES
from mmscand.record.file import Recording
from support.sim_daemon import HOT, tiers
from unit.record.test_labels import VERSION_1
from unit.record.test_recorder import tape, touch

FIRST, SECOND = (REGION_BYTES + at * HUGE_PAGE_BYTES for at in range(2))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three passes over two processes; the second exits, the first gets more memory."""
    world = tiers()
    world.vma.name, world.process.cgroup = b"[heap]", "/app.slice"
    other = world.machine.spawn(200, "other")
    world.machine.map(other, 1 << 30, 512, 0)

    def change() -> None:
        world.machine.exit(other)
        world.machine.map(world.process, 8 << 30, 1024, 0).name = b"/srv/\xffdata"

    tape(world.machine, tmp_path / "app.mms", [touch(world, HOT), change])
    return tmp_path / "app.mms"


def exported(file: Path, *options: str) -> str:
    assert main(["export", str(file), "--to", "parquet", *options]) == 0
    return str(file.with_suffix(".parquet"))


def test_pandas_reads_each_row_of_each_pass(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    frame = pd.read_parquet(exported(file))
    assert capsys.readouterr().out == f"wrote {file.with_suffix('.parquet')}: {len(frame)} lines\n"
    assert list(frame) == SCHEMA.names
    assert frame.groupby(["pass", "pid"]).size().to_dict() == {
        (1, 100): 4,
        (1, 200): 1,
        (2, 100): 4,
        (2, 200): 1,
        (3, 100): 6,
    }
    second = frame[(frame["pass"] == 2) & (frame.pid == 100)].set_index("address")
    assert second.accessed_4k_pages.to_list() == [3, 1, 0, 1]
    assert second.known_4k_pages.to_list() == [512] * 4
    assert second.loc[FIRST, "mapping"] == "[heap]"
    assert set(second.cgroup) == {"/app.slice"}
    first = frame[frame["pass"] == 1]
    assert not first.known_4k_pages.any()  # of the first pass nothing is known
    assert frame[frame.pid == 200].slow_4k_pages.sum() == 0
    new = frame[frame.mapping == r"/srv/\xffdata"]
    assert (new.present_4k_pages.sum(), new.known_4k_pages.sum()) == (1024, 0)
    assert frame.elapsed_s.is_monotonic_increasing
    assert str(frame.time.dt.tz) == "UTC"


def test_polars_and_duckdb_read_the_same(file: Path) -> None:
    import duckdb
    import polars as pl

    path = exported(file)
    frame = pl.read_parquet(path)
    assert frame["accessed_4k_pages"].sum() == len(HOT)
    hot = frame.filter(pl.col("accessed_4k_pages") > 0)["address"].to_list()
    assert hot[:2] == [FIRST, SECOND]
    query = f"select process, sum(accessed_4k_pages), count(*) from '{path}' group by 1 order by 1"
    assert duckdb.sql(query).fetchall() == [("app", len(HOT), 14), ("other", 0, 2)]


def test_mappings_are_the_sums_of_their_rows(file: Path, tmp_path: Path) -> None:
    import pandas as pd

    rows = pd.read_parquet(exported(file))
    exported(file, "--per", "mapping", "--out", str(tmp_path / "m.parquet"))
    mappings = pd.read_parquet(tmp_path / "m.parquet")
    keys = ["pass", "pid", "mapping"]
    counts = [name for name in SCHEMA.names if name.endswith("_4k_pages")]
    sums = rows.groupby(keys, observed=True)[counts].sum()
    assert mappings.set_index(keys)[counts].sort_index().equals(sums.sort_index())


def test_rows_are_of_this_size_when_there_are_many(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("mmscand.export.parquet._ROW_GROUP_ROWS", 5)
    write_parquet(long_table(Recording(file)), tmp_path / "p")
    found = pq.ParquetFile(tmp_path / "p")
    assert found.metadata.num_row_groups > 2
    assert len(found.read()) == 16


def test_a_recording_of_version_1_and_one_that_is_cut_are_exported(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq

    assert write_parquet(long_table(Recording(VERSION_1)), tmp_path / "p") == 16
    assert pq.read_table(tmp_path / "p")["cgroup"].null_count == 16
    file.write_bytes(file.read_bytes()[:-9])
    exported(file)
    assert "; the recording ends inside a pass" in capsys.readouterr().out


def test_the_file_is_new_and_its_owner_s_alone(file: Path, tmp_path: Path) -> None:
    path = Path(exported(file))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="exists: name another file by --out"):
        write_parquet(long_table(Recording(file)), path)
    with pytest.raises(UsageError, match="cannot write /nowhere/x"):
        write_parquet(long_table(Recording(file)), Path("/nowhere/x"))
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".part")] == []


def test_nothing_is_left_of_an_export_that_fails(file: Path, tmp_path: Path) -> None:
    table = long_table(Recording(file))
    file.unlink()
    with pytest.raises(Exception, match="No such file"):
        write_parquet(table, tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_an_export_that_is_interrupted(tmp_path: Path) -> None:
    def batches() -> Iterator[object]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        write_parquet(LongTable(SCHEMA, batches()), tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["/etc/passwd", "--to", "parquet"], 2, "is no recording"),
        (["/etc/passwd"], 2, "Missing option '--to'"),
        (["/etc/passwd", "--to", "csv"], 2, "'csv' is not"),
    ],
)
def test_each_mistake_is_a_line(
    arguments: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == code
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1


def test_without_pyarrow_the_extra_is_named(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["export", str(file), "--to", "parquet"]) == 3
    assert "pip install 'mmscand[export]'" in capsys.readouterr().err
