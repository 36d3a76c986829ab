"""Each system call and each read fails with each errno: nothing but our errors comes out."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import MmscandError, OutOfResources
from mmscand.linux import aging, bpf_gather, kcore, moving, pidfd, proc_events, trials
from mmscand.linux.aging import Ager
from mmscand.linux.bpf_gather import BpfGather
from mmscand.linux.free_memory import FreeMemory
from mmscand.linux.kcore import Kcore
from mmscand.linux.mglru import GenerationAger
from mmscand.linux.moving import move, move_size, nodes
from mmscand.linux.pagemap import PageFlags, Pagemap
from mmscand.linux.proc_events import ProcEvents
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs
from mmscand.linux.syscalls import NOT_WRITTEN
from mmscand.linux.topology import NodeReader
from mmscand.model import Process, UIntArray, VmaTable

EVERY = sorted(errno.errorcode)
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
ADDRESSES: UIntArray = np.array([0x7F00_0000_0000, 0x7F00_0000_1000], dtype=np.uint64)
RANGES = np.column_stack((ADDRESSES, np.full(2, 4096, dtype=np.uint64)))
VMAS = VmaTable(ADDRESSES[:1], ADDRESSES[:1] + np.uint64(1 << 20), np.zeros(1, dtype=np.uint16))
PROCESS = Process(os.getpid(), 1)


class Refusal:
    """A call that fails."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __call__(self, *_: object, **__: object) -> int:
        raise OSError(self.code, os.strerror(self.code))


def outcome(call: Callable[[], object]) -> MmscandError | None:
    """The error of ours; any other one ends the test."""
    try:
        call()
    except MmscandError as error:
        return error
    return None


@pytest.mark.parametrize("code", EVERY)
def test_process_madvise(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aging, "process_madvise", Refusal(code))
    outcome(lambda: Ager(1, -1).age(RANGES, VMAS))


@pytest.mark.parametrize("code", EVERY)
def test_move_pages(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> tuple[int, object]:
        return -code, np.full(len(ADDRESSES), NOT_WRITTEN, dtype=np.int32)

    monkeypatch.setattr(moving, "move_pages", refuse)
    for call in (lambda: move(1, ADDRESSES, 0, move_size()), lambda: nodes(1, ADDRESSES)):
        with contextlib.suppress(MmscandError):
            assert (call() < 0).all()


@pytest.mark.parametrize("code", EVERY)
@pytest.mark.parametrize("call", ["pidfd_open", "process_madvise", "move_pages"])
def test_what_is_tried_at_the_start(call: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal(code)
    if call == "move_pages":
        monkeypatch.setattr(
            trials, call, lambda *_: (-code, np.full(1, NOT_WRITTEN, dtype=np.int32))
        )
    else:
        monkeypatch.setattr(trials, call, refusal)
    error = outcome(trials.require_working)
    assert error is not None
    assert isinstance(error, OutOfResources) is (code in PASSING)


@pytest.mark.parametrize("code", EVERY)
def test_pidfd_open(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pidfd, "pidfd_open", Refusal(code))
    error = outcome(lambda: pidfd.open_pidfd(PROCESS))
    assert isinstance(error, OutOfResources) is (code in PASSING)


@pytest.mark.parametrize("code", EVERY)
def test_bpf(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf_gather, "bpf", Refusal(code))
    error = outcome(BpfGather)
    assert error is not None
    assert isinstance(error, OutOfResources) is (code in PASSING)
    made = BpfGather.__new__(BpfGather)
    made._addresses, made._context = ADDRESSES.copy(), ADDRESSES.copy()
    made._gather = made._find_task = bytearray()
    assert outcome(lambda: made.read(ADDRESSES)) is not None
    assert outcome(made.any_task) is not None


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Path]:
    header = kcore._ELF_HEADER.pack(b"\x7fELF".ljust(16, b"\0"), 4, 62, 1, 0, 64, 0, 0, 64, 56, 1)
    segment = np.zeros(1, dtype=kcore._PROGRAM_HEADER)
    segment["type"], segment["offset"], segment["memsz"] = 1, 4096, 1 << 48
    file = tmp_path / "kcore"
    file.write_bytes(header.ljust(64, b"\0") + segment.tobytes())
    return file


@pytest.mark.parametrize("code", EVERY)
def test_kcore(code: int, core: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Kcore(core)
    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", Refusal(code))
        error = outcome(lambda: made.read(ADDRESSES))
        assert isinstance(error, OutOfResources) is (code in PASSING)
        patch.setattr(os, "pread", Refusal(code))
        made.refresh()
        assert outcome(lambda: Kcore(core)) is not None
        patch.setattr(os, "open", Refusal(code))
        assert isinstance(outcome(lambda: Kcore(core)), OutOfResources) is (code in PASSING)
    made.close()


@pytest.mark.parametrize("code", EVERY)
def test_pagemap_and_kpageflags(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, pagemap = PageFlags(), Pagemap(os.getpid())
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", Refusal(code))
        assert flags.tails(0, 3).all()
        error = outcome(lambda: pagemap.shared(ADDRESSES))
        assert isinstance(error, OutOfResources) is (code in PASSING)
        patch.setattr(os, "open", Refusal(code))
        assert PageFlags().tails(0, 3).all()
        assert isinstance(outcome(lambda: Pagemap(1)), OutOfResources) is (code in PASSING)
    flags.close()
    pagemap.close()


@pytest.mark.parametrize("code", EVERY)
def test_reading_proc(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.open", Refusal(code))
    monkeypatch.setattr(os, "listdir", Refusal(code))
    procfs = Procfs()
    of_one = (procfs.stat, procfs.facts, procfs.maps, procfs.status, procfs.numa_maps)
    more = (procfs.cpuset_nodes, procfs.resident_pages, procfs.page_table_bytes)
    for read in (*of_one, *more):
        assert isinstance(outcome(lambda: read(1)), OutOfResources) is (code in PASSING)  # noqa: B023
    assert outcome(lambda: list(procfs.descriptors(1))) is not None
    for whole in (procfs.pids, procfs.self_status, procfs.boot_id):
        assert isinstance(outcome(whole), OutOfResources) is (code in PASSING)


@pytest.mark.parametrize("code", EVERY)
def test_reading_nodes(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = NodeReader()
    monkeypatch.setattr("builtins.open", Refusal(code))
    for call in (reader.nodes, reader.signature, lambda: FreeMemory().free_pages(0)):
        assert isinstance(outcome(call), OutOfResources) is (code in PASSING)


class Socket:
    """A netlink socket that fails."""

    def __init__(self, code: int) -> None:
        self.recv_into = self.send = self.setsockopt = self.bind = Refusal(code)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("code", EVERY)
def test_netlink(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc_events.socket, "socket", lambda *_: Socket(code))
    assert outcome(ProcEvents) is not None
    assert proc_events.open_events() is None
    made = ProcEvents.__new__(ProcEvents)
    made._socket, made._message = Socket(code), bytearray(256)  # type: ignore[assignment]
    happened = made.drain()
    assert happened == (set() if isinstance(OSError(code, ""), BlockingIOError) else None)


@pytest.mark.parametrize("code", EVERY)
def test_lru_gen(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "enabled").write_text("0x0007\n")
    (tmp_path / "cgroup").write_text("0::/\n")
    file = tmp_path / "lru_gen"
    file.write_text("memcg 2 /web\n node 0\n 3 10 0 0\n")
    ager = GenerationAger(file, tmp_path / "enabled", tmp_path)
    ager.group("/web")
    monkeypatch.setattr(Path, "write_text", Refusal(code))
    error = outcome(lambda: ager.age("/web", [0]))
    assert isinstance(error, OutOfResources) is (code in PASSING)
    monkeypatch.setattr(Path, "open", Refusal(code))
    error = outcome(ager.require)
    assert isinstance(error, OutOfResources) is (code in PASSING)


def test_without_descriptors_the_list_of_processes_stays_and_is_read_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = ProcessList(Procfs())
    before = processes.look().running
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", Refusal(errno.EMFILE))
        for _ in range(12):
            assert processes.look().running == before
    assert {p.pid for p in processes.look().running} & {p.pid for p in before}
