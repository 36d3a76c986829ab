"""The control file, with this test in the plug-in's place."""

import itertools
import mmap
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand_lab.kernel import LabError
from mmscand_lab.slowmem import control as control_module
from mmscand_lab.slowmem.control import CodeRange, SlowMemory, layout_ranges, make_control
from mmscand_lab.spec import GuestNode, GuestSpec

SPEC = GuestSpec((GuestNode(64, 1), GuestNode(128, latency_ns=250, bandwidth_mib_s=1024)))
NODE_AT, NODE_BYTES, RANGE_AT, CODE_AT = 40, 40, 40 + 8 * 40, 40 + 8 * 40 + 32 * 24


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Takes settings as the plug-in does."""
    ended = threading.Event()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:

        def take() -> None:
            while not ended.wait(0.001):
                view[16:24] = view[8:16]

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def made(path: Path) -> SlowMemory:
    make_control(path, SPEC)
    return SlowMemory(path)


def node_in(path: Path, node: int) -> tuple[int, ...]:
    return struct.unpack_from("<2Q", path.read_bytes(), NODE_AT + node * NODE_BYTES)


def test_the_nodes_cost_nothing_until_they_are_slowed_down(tmp_path: Path) -> None:
    path = tmp_path / "control"
    memory = made(path)
    assert node_in(path, 1) == (0, 0)
    with answering(path):
        memory.slow_down(20.0)
        # 64 bytes at 1 GiB/s are 59.6 ns.
        assert node_in(path, 1) == (20 * 250_000, pytest.approx(20 * 59_605, rel=1e-4))
        memory.slow_down(20.0, as_node=0)
        assert node_in(path, 1) == node_in(path, 0) == (1_800_000, node_in(path, 0)[1])


def test_what_is_set_by_others_stays(tmp_path: Path) -> None:
    path = tmp_path / "control"
    memory, other = made(path), SlowMemory(path)
    with answering(path):
        memory.instrument([CodeRange(0x1000, 0x2000), CodeRange(0x7000, 0x9000)])
        other.slow_down(2.0)
        memory.use_layout("blocks")
    assert struct.unpack_from("<Q", path.read_bytes(), 24) == (2,)
    code = struct.unpack_from("<6Q", path.read_bytes(), CODE_AT)
    assert code == (0x1000, 0x2000, 0x7000, 0x9000, 0, 0)
    assert node_in(path, 1)[0] == 500_000
    ranges = struct.unpack_from("<6Q", path.read_bytes(), RANGE_AT)
    assert ranges == (0, 64 << 20, 0, 128 << 20, 256 << 20, 1)


def test_a_plug_in_that_does_not_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "_LIMIT_S", 0.0)
    with pytest.raises(LabError, match="does not answer"):
        made(tmp_path / "control").instrument([])


def test_counters_are_sums_over_all_cpus(tmp_path: Path) -> None:
    path = tmp_path / "control"
    memory = made(path)
    data = bytearray(path.read_bytes())
    before = memory.counts()
    for cpu in (0, 15):
        at = len(data) - (16 - cpu) * 32 * 8
        struct.pack_into("<QQ", data, at, 5, 7)  # hits of nodes 0 and 1
        struct.pack_into("<Q", data, at + 8 * 9, 11)  # misses of node 1
        struct.pack_into("<Q", data, at + 8 * 16, 500_000_000)
    path.write_bytes(data)
    found = memory.counts().since(before)
    assert found.hits[:2].tolist() == [10, 14]
    assert found.misses[:2].tolist() == [0, 22]
    assert found.waited_s == 1.0


@given(st.lists(st.integers(0, 3 << 30).map(lambda n: n >> 12 << 12), max_size=8))
def test_layouts_have_all_memory_once(sizes: list[int]) -> None:
    for layout in ("physical", "blocks"):
        spans = layout_ranges(sizes, layout)  # type: ignore[arg-type]
        by_address = sorted((begin, end) for _, begin, end in spans)
        for (_, end), (begin, _) in itertools.pairwise(by_address):
            assert end <= begin
        for node, size in enumerate(sizes):
            assert sum(end - begin for n, begin, end in spans if n == node) == size


def test_the_devices_of_a_pc_are_no_memory() -> None:
    gib = 1 << 30
    spans = layout_ranges([gib, 2 * gib], "physical")
    assert spans == [(0, 0, gib), (1, gib, 2 * gib), (1, 4 * gib, 5 * gib)]


def test_the_structure_is_that_of_the_plug_in(tmp_path: Path) -> None:
    source = Path(control_module.__file__).parent / "slowmem.c"
    program = tmp_path / "size.c"
    fields = ("applied", "codes", "ranges", "nodes", "range", "code", "counts")
    offsets = "".join(f'printf("%zu ", offsetof(struct control, {name}));' for name in fields)
    program.write_text(
        f'#include "{source}"\n'
        f'int main(void) {{ {offsets} printf("%zu %zu", sizeof(struct control),'
        " offsetof(struct counts, waited_ns)); }\n"
    )
    argv = ["cc", "-O2", "-Wno-all", "-Wl,--unresolved-symbols=ignore-all", "-no-pie"]
    subprocess.run([*argv, "-o", tmp_path / "size", program], check=True, capture_output=True)
    printed = subprocess.run([tmp_path / "size"], check=True, capture_output=True, text=True).stdout
    make_control(tmp_path / "control", SPEC)
    size = (tmp_path / "control").stat().st_size
    head = size - 16 * 32 * 8
    assert np.array(printed.split(), dtype=int).tolist() == [
        *(16, 24, 32, NODE_AT, RANGE_AT, CODE_AT, head, size),
        128,
    ]
