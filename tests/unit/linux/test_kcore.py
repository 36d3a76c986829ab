"""/proc/kcore as a small ELF core file."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.kcore import Kcore, direct_map_bases
from mmscand.model import UIntArray
from synthetic.tables import PAGE

LOAD, NOTE = 1, 4
LOW, HIGH = 0xFFFF_8880_0000_0000, 0xFFFF_FFFF_8100_0000


@dataclass(frozen=True)
class Segment:
    """Where the contents of `pages` pages are to be found."""

    vaddr: int
    data: bytes
    kind: int = LOAD
    paddr: int = 0


def contents(pages: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(pages * PAGE)


FIRST = Segment(LOW, contents(3, 1))
SECOND = Segment(HIGH, contents(2, 2))
INFO = Segment(0, contents(1, 3), NOTE)


def write_core(path: Path, segments: list[Segment]) -> Path:
    """ELF header, program headers in the order given, and the contents last one first."""
    headers, body = b"", b""
    table_at = 64
    body_at = table_at + 56 * len(segments) + 40  # at no page border
    offsets: dict[int, int] = {}
    for segment in reversed(segments):
        offsets[id(segment)] = body_at + len(body)
        body += segment.data + b"\xee" * 100
    for s in segments:
        size = len(s.data)
        headers += struct.pack(
            "<IIQQQQQQ", s.kind, 7, offsets[id(s)], s.vaddr, s.paddr, size, size, PAGE
        )
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\2\1\1",
        4,  # ET_CORE
        62,  # EM_X86_64
        1,
        0,
        table_at,
        0,
        0,
        64,
        56,
        len(segments),
        0,
        0,
        0,
    )
    path.write_bytes(header + headers + b"\0" * 40 + body)
    return path


@pytest.fixture
def core(tmp_path: Path) -> Path:
    return write_core(tmp_path / "kcore", [INFO, SECOND, FIRST])


def read(path: Path, *addresses: int) -> list[bytes]:
    memory = Kcore(path)
    try:
        pages: UIntArray = memory.read(np.array(addresses, dtype=np.uint64))
        assert pages.shape == (len(addresses), 512)
        assert pages.dtype == np.uint64
        return [page.tobytes() for page in pages]
    finally:
        memory.close()


NOTHING = bytes(PAGE)


def test_pages_are_read_from_the_segment_that_holds_them(core: Path) -> None:
    found = read(core, HIGH + PAGE, LOW, LOW + 2 * PAGE, HIGH)
    assert found == [
        SECOND.data[PAGE:],
        FIRST.data[:PAGE],
        FIRST.data[2 * PAGE :],
        SECOND.data[:PAGE],
    ]


def test_an_address_inside_a_page_reads_4096_bytes_from_there(core: Path) -> None:
    assert read(core, LOW + 1000) == [FIRST.data[1000 : 1000 + PAGE]]


@pytest.mark.parametrize(
    "address",
    [
        0,
        LOW - PAGE,
        LOW - 8,
        LOW + 2 * PAGE + 8,  # its last bytes are beyond the end
        LOW + 3 * PAGE,
        LOW + (1 << 40),
        HIGH - PAGE,
        HIGH + 2 * PAGE,
        (1 << 64) - PAGE,
    ],
)
def test_what_is_in_no_segment_reads_as_zero(core: Path, address: int) -> None:
    assert read(core, LOW, address, HIGH) == [FIRST.data[:PAGE], NOTHING, SECOND.data[:PAGE]]


def test_zero_also_means_no_leftover_of_the_read_before(core: Path) -> None:
    memory = Kcore(core)
    full = memory.read(np.array([LOW], dtype=np.uint64)).tobytes()
    empty = memory.read(np.array([LOW - PAGE], dtype=np.uint64)).tobytes()
    memory.close()
    assert (full, empty) == (FIRST.data[:PAGE], NOTHING)


def test_a_file_that_ends_early_reads_as_zero(tmp_path: Path) -> None:
    path = write_core(tmp_path / "kcore", [FIRST])
    os.truncate(path, path.stat().st_size - PAGE)
    assert read(path, LOW, LOW + 2 * PAGE) == [FIRST.data[:PAGE], NOTHING]


def test_no_address_is_no_page(core: Path) -> None:
    assert read(core) == []


def test_a_core_without_memory_reads_as_zero(tmp_path: Path) -> None:
    assert read(write_core(tmp_path / "kcore", [INFO]), LOW) == [NOTHING]


def test_a_missing_kcore_says_which_option_the_kernel_lacks(tmp_path: Path) -> None:
    with pytest.raises(MachineCannot) as caught:
        Kcore(tmp_path / "kcore")
    assert "CONFIG_PROC_KCORE" in caught.value.hint


def test_a_kcore_that_may_not_be_read_says_what_to_be(
    core: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("mmscand.linux.kcore.os.open", refuse)
    with pytest.raises(MachineCannot, match="Operation not permitted") as caught:
        Kcore(core)
    assert "CAP_SYS_RAWIO" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"not an ELF file, but long enough" * 4])
def test_what_is_no_core_file_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kcore"
    path.write_bytes(content)
    with pytest.raises(MachineCannot):
        Kcore(path)


KALLSYMS = """ffffffff810000{:02x} T startup_64
{} D init_task
ffffffff82000000 d init_task_not
ffffffffc0000000 t init_task\t[module]
"""


def any_task(core: Path, kallsyms: Path) -> int:
    memory = Kcore(core, kallsyms)
    try:
        return memory.any_task()
    finally:
        memory.close()


def test_init_task_comes_from_kallsyms(core: Path, tmp_path: Path) -> None:
    kallsyms = tmp_path / "kallsyms"
    kallsyms.write_text(KALLSYMS.format(0, "ffffffff8240fd40"))
    assert any_task(core, kallsyms) == 0xFFFF_FFFF_8240_FD40


@pytest.mark.parametrize("text", ["", KALLSYMS.format(0, "0" * 16), None])
def test_hidden_or_missing_symbols_are_reported(
    core: Path, tmp_path: Path, text: str | None
) -> None:
    kallsyms = tmp_path / "kallsyms"
    if text is not None:
        kallsyms.write_text(text)
    with pytest.raises(MachineCannot, match="init_task") as caught:
        any_task(core, kallsyms)
    assert "CONFIG_KALLSYMS" in caught.value.hint


def test_the_direct_map_starts_where_the_headers_of_ram_say(tmp_path: Path) -> None:
    gib = 1 << 30
    segments = [
        Segment(LOW + PAGE, contents(1, 1), paddr=PAGE),
        Segment(LOW + 4 * gib, contents(3, 2), paddr=4 * gib),
        Segment(HIGH - 0x100_0000, contents(2, 3), paddr=0),  # the kernel's text, by chance aligned
        Segment(LOW + (1 << 46), contents(9, 4), paddr=(1 << 64) - 1),  # vmalloc: no RAM
    ]
    assert direct_map_bases(write_core(tmp_path / "kcore", segments)) == [LOW, HIGH - 0x100_0000]


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF", b"no ELF file" * 20])
def test_without_a_core_file_nothing_is_known_of_it(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "kcore").write_bytes(content)
    assert direct_map_bases(tmp_path / "kcore") == []
