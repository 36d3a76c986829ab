"""What is written to a recording is what is read, also of a file that ends anywhere."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.errors import UsageError
from mmscand.record.file import Recording, RecordingFull, RecordingWriter
from mmscand.record.tables import (
    ACCESSED,
    FORMAT,
    HEAD,
    LAYOUT,
    MOVES,
    NODES,
    PASS,
    PASS_TABLES,
    VERSION,
    VMAS,
    ProcessPass,
    Table,
    one_row,
    pack,
    unpack,
)

NODES_TABLE = one_row(NODES, node=1, slow=True, pages=9)


def head(version: int = VERSION) -> Table:
    return one_row(HEAD, format=FORMAT, version=version, period_ms=7)


@st.composite
def passes(draw: st.DrawFn) -> ProcessPass:
    """Any bytes in the tables: what they mean is nothing that the file knows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def table(dtype: np.dtype, rows: int) -> Table:
        if dtype == PASS:  # a bool column has no other bytes than 0 and 1
            return one_row(PASS, pid=int(rng.integers(1 << 30)), left=bool(rng.integers(2)))
        return rng.bytes(rows * dtype.itemsize) and np.frombuffer(
            rng.bytes(rows * dtype.itemsize), dtype=dtype
        )

    sizes = [draw(st.integers(0, 40)) for _ in range(5)]
    tables = (
        table(d, n) if n else np.empty(0, d) for d, n in zip(PASS_TABLES[1:], sizes, strict=True)
    )
    return ProcessPass(table(PASS, 1), *tables)


def write(path: Path, seen: list[ProcessPass]) -> list[int]:
    """Where each member ends."""
    ends = []
    with RecordingWriter(path, head(), NODES_TABLE, 1 << 30) as writer:
        ends.append(writer.size_bytes)
        for each in seen:
            writer.write(each)
            ends.append(writer.size_bytes)
    return ends


def same(left: list[ProcessPass], right: list[ProcessPass]) -> bool:
    return [[t.tobytes() for t in p.tables] for p in left] == [
        [t.tobytes() for t in p.tables] for p in right
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(passes(), max_size=6), st.data())
def test_a_file_that_ends_anywhere_is_read_up_to_its_last_whole_pass(
    seen: list[ProcessPass], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r"
        ends = write(path, seen)
        recording = Recording(path)
        assert same(list(recording.passes()), seen)
        assert not recording.cut
        whole = path.read_bytes()
        at = data.draw(st.integers(ends[0], ends[-1]) | st.sampled_from(ends))
        path.write_bytes(whole[:at])
        recording = Recording(path)
        assert same(list(recording.passes()), seen[: sum(end <= at for end in ends) - 1])
        assert recording.cut == (at not in ends)


@settings(deadline=None, max_examples=60)
@given(st.lists(passes(), min_size=1, max_size=4), st.data())
def test_a_damaged_byte_loses_its_pass_and_what_follows_and_invents_nothing(
    seen: list[ProcessPass], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r"
        ends = write(path, seen)
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(ends[0] + 10, ends[-1] - 1))  # 10: gzip's own header
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        found = list(Recording(path).passes())
        before = sum(end <= at for end in ends) - 1
        assert same(found[:before], seen[:before])
        # Of a later member's own gzip header (a date, say) no bit is of any account.
        assert same(found, seen) or len(found) == before


@given(st.integers(0, 2**32), st.sampled_from([1, 512]))
def test_bits_are_packed_and_unpacked(seed: int, pages_per_slot: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 512 // pages_per_slot)) < 0.3
    packed = pack(mask)
    assert packed.shape == (5, 64)
    pages = unpack(packed, np.full(5, pages_per_slot, dtype=np.uint32))
    assert (pages == np.repeat(mask, pages_per_slot, axis=1)).all()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_is_no_recording_is_refused_in_one_line(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r"
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is no recording"):
            Recording(path)


def test_another_version_and_no_file_at_all_are_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", head(VERSION + 1), NODES_TABLE, 1 << 20):
        pass
    with pytest.raises(UsageError, match="has format 3, and this mmscand reads formats 1 to 2"):
        Recording(tmp_path / "r")
    with pytest.raises(UsageError, match="No such file"):
        Recording(tmp_path / "none")


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", head(), NODES_TABLE, 600) as writer:
        seen = ProcessPass(
            one_row(PASS), *(np.empty(0, d) for d in (VMAS, LAYOUT, ACCESSED, MOVES))
        )
        with pytest.raises(RecordingFull):
            for _ in range(10):
                writer.write(seen)
    assert (tmp_path / "r").stat().st_size == writer.size_bytes <= 600


@pytest.mark.parametrize("dtype", [LAYOUT, MOVES])
def test_a_slot_of_no_page_is_damage(dtype: np.dtype, tmp_path: Path) -> None:
    tables = {d: np.zeros(0, dtype=d) for d in (VMAS, LAYOUT, ACCESSED, MOVES)}
    good = ProcessPass(one_row(PASS, pid=1), *tables.values())
    tables[dtype] = np.zeros(1, dtype=dtype)
    write(tmp_path / "r", [good, ProcessPass(one_row(PASS, pid=2), *tables.values()), good])
    recording = Recording(tmp_path / "r")
    assert [int(seen.about["pid"][0]) for seen in recording.passes()] == [1]
    assert recording.cut
