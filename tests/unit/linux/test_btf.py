"""Structure offsets from small BTF blobs, and their cache."""

import json
import struct
from dataclasses import asdict
from pathlib import Path

import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.btf import Btf, StructOffsets, struct_offsets

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)

Member = tuple[str, int, int]
"""Name, type, and offset in bits; with the kind flag also a bitfield's width in its top byte."""

TRUTH = StructOffsets(
    task_tasks=2048,
    task_tgid=2500,
    task_mm=2064,
    task_start_boottime=2600,
    task_self_exec_id=2700,
    mm_pgd=72,
)


class Blob:
    """Writes BTF as Documentation/bpf/btf.rst has it."""

    def __init__(self) -> None:
        self._types = b""
        self._strings = b"\0"
        self._count = 0

    def string(self, text: str) -> int:
        """Offset of a string, which is stored once as pahole does."""
        word = b"\0" + text.encode() + b"\0"
        if word not in self._strings and text:
            self._strings += word[1:]
        return self._strings.index(word) + 1 if text else 0

    def add(
        self, kind: int, name: str = "", size: int = 0, tail: bytes = b"", *, vlen: int = 0
    ) -> int:
        """Any type; its number."""
        info = kind << 24 | vlen
        self._types += struct.pack("<III", self.string(name), info, size) + tail
        self._count += 1
        return self._count

    def struct(
        self, name: str, members: list[Member], *, kind: int = STRUCT, flag: bool = False
    ) -> int:
        tail = b"".join(struct.pack("<III", self.string(n), t, bits) for n, t, bits in members)
        info_flag = 1 << 31 if flag else 0
        info = info_flag | kind << 24 | len(members)
        self._types += struct.pack("<III", self.string(name), info, 4096) + tail
        self._count += 1
        return self._count

    def bytes(self, magic: int = 0xEB9F, header_bytes: int = 24) -> bytes:
        """The blob; strings first, to see that the header's offsets are heeded."""
        types_at = len(self._strings)
        header = struct.pack(
            "<HBBIIIII",
            magic,
            1,
            0,
            header_bytes,
            types_at,
            len(self._types),
            0,
            len(self._strings),
        )
        return header.ljust(header_bytes, b"\0") + self._strings + self._types


def other_kinds(blob: Blob) -> int:
    """One of every kind with its own tail, so that a wrong length derails what follows."""
    integer = blob.add(INT, "int", 4, struct.pack("<I", 0x20))
    blob.add(PTR, "", integer)
    blob.add(ARRAY, "", 0, struct.pack("<III", integer, integer, 16))
    blob.add(ENUM, "colour", 4, struct.pack("<IiIi", blob.string("RED"), 0, 0, 1), vlen=2)
    for kind in (FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, FLOAT):
        blob.add(kind, "thing", integer)
    proto = blob.add(FUNC_PROTO, "", integer, struct.pack("<IIII", 0, integer, 0, 0), vlen=2)
    blob.add(FUNC, "do_it", proto, vlen=1)  # the vlen of a FUNC is its linkage, no length
    variable = blob.add(VAR, "jiffies", integer, struct.pack("<I", 1))
    blob.add(DATASEC, ".data", 8, struct.pack("<III", variable, 0, 8), vlen=1)
    blob.add(DECL_TAG, "tag", variable, struct.pack("<I", 0))
    blob.add(ENUM64, "big", 8, struct.pack("<III", blob.string("HUGE"), 0, 1), vlen=1)
    return integer


def kernel_blob(without: str | None = None) -> Blob:
    """task_struct and mm_struct with their fields where TRUTH says, partly nested."""
    blob = Blob()
    integer = other_kinds(blob)
    blob.add(FWD, "mm_struct")  # the same name as another kind
    start = blob.struct("", [("start_time", integer, 0), ("start_boottime", integer, 100 * 8)])
    either = blob.struct("", [("something", integer, 0), ("", start, 0)], kind=UNION)
    task = [
        ("on_cpu", integer, 0),
        ("tasks", integer, TRUTH.task_tasks * 8),
        ("mm", integer, TRUTH.task_mm * 8),
        ("self_exec_id", integer, TRUTH.task_self_exec_id * 8),
        ("tgid", integer, TRUTH.task_tgid * 8),
        ("", either, (TRUTH.task_start_boottime - 100) * 8),
    ]
    blob.struct("task_struct", [m for m in task if m[0] != without])
    inner = blob.struct("", [("pgd", integer, 64 * 8), ("mm_users", integer, 70 * 8)])
    blob.struct("mm_struct", [("", inner, 8 * 8), ("cpu_bitmap", integer, 4000 * 8)])
    return blob


@pytest.fixture
def vmlinux(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinux"
    path.write_bytes(kernel_blob().bytes())
    return path


def test_members_are_found_also_inside_anonymous_structures() -> None:
    assert StructOffsets.from_btf(Btf(kernel_blob().bytes())) == TRUTH


def test_a_longer_header_of_a_later_kernel_is_skipped() -> None:
    assert StructOffsets.from_btf(Btf(kernel_blob().bytes(header_bytes=32))) == TRUTH


def test_the_width_of_a_bitfield_is_no_part_of_an_offset() -> None:
    blob = Blob()
    inner = blob.struct("", [("flag", 0, 3 << 24 | 16), ("plain", 0, 64)], flag=True)
    blob.struct("outer", [("bits", 0, 7 << 24 | 8), ("", inner, 128)], flag=True)
    btf = Btf(blob.bytes())
    assert btf.offset("outer", "bits") == 1
    assert btf.offset("outer", "flag") == (128 + 16) // 8
    assert btf.offset("outer", "plain") == (128 + 64) // 8


def test_without_the_kind_flag_an_offset_has_all_32_bits() -> None:
    blob = Blob()
    blob.struct("wide", [("last", 0, 1 << 25)])
    assert Btf(blob.bytes()).offset("wide", "last") == (1 << 25) // 8


def test_a_name_that_is_only_the_end_of_another_is_not_taken_for_it() -> None:
    blob = Blob()
    blob.struct("my_task", [("xmm", 0, 64), ("mm", 0, 128)])
    blob.struct("task", [("mm", 0, 8)])
    assert Btf(blob.bytes()).offset("task", "mm") == 1
    assert Btf(blob.bytes()).offset("my_task", "mm") == 16


def test_a_second_structure_of_the_name_is_asked_when_the_first_lacks_the_member() -> None:
    blob = Blob()
    blob.struct("twin", [("a", 0, 8)])
    blob.struct("twin", [("b", 0, 16)])
    assert Btf(blob.bytes()).offset("twin", "b") == 2


@pytest.mark.parametrize("missing", ["tasks", "tgid", "mm", "something else"])
def test_a_missing_member_is_named(missing: str) -> None:
    blob = kernel_blob(without=missing)
    if missing == "something else":
        assert StructOffsets.from_btf(Btf(blob.bytes())) == TRUTH
        return
    with pytest.raises(MachineCannot, match=rf"has no .*{missing}"):
        StructOffsets.from_btf(Btf(blob.bytes()))


def test_an_empty_blob_has_no_members() -> None:
    with pytest.raises(MachineCannot, match="has no"):
        StructOffsets.from_btf(Btf(Blob().bytes()))


@pytest.mark.parametrize(
    "data", [kernel_blob().bytes(magic=0x9FEB), b"", b"\x9f\xeb\1\0", b"x" * 64]
)
def test_what_is_no_btf_is_said_to_be_unreadable(data: bytes) -> None:
    with pytest.raises(MachineCannot, match="BTF"):
        StructOffsets.from_btf(Btf(data))


def test_a_blob_that_was_cut_short_is_said_to_be_unreadable() -> None:
    blob = Blob()
    blob.struct("task_struct", [("tasks", 0, 8)])
    data = blob.bytes()
    with pytest.raises(MachineCannot, match="BTF"):
        StructOffsets.from_btf(Btf(data[:-8]))


def test_offsets_are_stored_and_taken_from_the_cache_in_the_same_boot(
    tmp_path: Path, vmlinux: Path
) -> None:
    cache = tmp_path / "run" / "mmscand" / "offsets.json"
    assert struct_offsets(cache, "boot-1", vmlinux) == TRUTH
    assert struct_offsets(cache, "boot-1", tmp_path / "no such file") == TRUTH
    assert [path.name for path in cache.parent.iterdir()] == ["offsets.json"]


def test_the_cache_of_another_boot_is_ignored_and_replaced(tmp_path: Path, vmlinux: Path) -> None:
    cache = tmp_path / "offsets.json"
    cache.write_text(json.dumps({"boot_id": "boot-1", **dict.fromkeys(asdict(TRUTH), 8)}))
    assert struct_offsets(cache, "boot-2", vmlinux) == TRUTH
    assert json.loads(cache.read_text()) == {"boot_id": "boot-2", **asdict(TRUTH)}


GOOD = {"boot_id": "boot-1", **asdict(TRUTH)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"7",
        b"null",
        b'"boot-1"',
        json.dumps({"boot_id": "boot-1"}).encode(),
        json.dumps({**GOOD, "another": 1}).encode(),
        json.dumps({k: v for k, v in GOOD.items() if k != "mm_pgd"}).encode(),
        json.dumps({**GOOD, "mm_pgd": "72"}).encode(),
        json.dumps({**GOOD, "mm_pgd": None}).encode(),
    ],
)
def test_a_broken_cache_is_ignored(tmp_path: Path, vmlinux: Path, content: bytes) -> None:
    cache = tmp_path / "offsets.json"
    cache.write_bytes(content)
    assert struct_offsets(cache, "boot-1", vmlinux) == TRUTH


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, vmlinux: Path) -> None:
    (tmp_path / "file").touch()
    assert struct_offsets(tmp_path / "file" / "offsets.json", "boot-1", vmlinux) == TRUTH


def test_a_kernel_without_btf_is_reported_which_option_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(MachineCannot) as caught:
        struct_offsets(tmp_path / "cache", "boot-1", tmp_path / "vmlinux")
    assert "CONFIG_DEBUG_INFO_BTF" in caught.value.hint
