"""/proc as text, on folders that look like it."""

import os
from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import ProcessGone
from mmscand.linux.procfs import Procfs, parse_cgroup, parse_maps, parse_names
from mmscand.model import Process, VmaFlag, VmaTable

R, W, X = VmaFlag.READ, VmaFlag.WRITE, VmaFlag.EXEC
FILE, SHARED = VmaFlag.FILE, VmaFlag.SHARED
HUGETLB, SPECIAL = VmaFlag.HUGETLB, VmaFlag.SPECIAL

KTHREAD = 0x0020_0000
PID = 4242
START = 987_654


def stat_line(name: bytes = b"sleep", state: bytes = b"S", flags: int = 0x400100) -> bytes:
    """Field 9 is the flags, field 22 the start time; every other number is another one."""
    middle = b" ".join(b"%d" % (1000 + field) for field in range(10, 22))
    tail = b" ".join(b"%d" % (1000 + field) for field in range(23, 53))
    head = b"%d (%s) %s 1 2 3 4 5 %d" % (PID, name, state, flags)
    return b"%s %s %d %s\n" % (head, middle, START, tail)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path


def add(proc: Path, pid: int = PID, **files: bytes) -> None:
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "name",
    ["sleep", "tmux: server", "(sd-pam)", "a) S 1 (b", ") R 0 0 0", "", "(", "))", "kworker/0:1"],
)
def test_a_process_is_read_whatever_its_name(proc: Path, name: str) -> None:
    add(proc, stat=stat_line(name.encode()))
    stat = Procfs(proc).stat(PID)
    assert (stat.process, stat.process.name) == (Process(PID, START), name)
    assert (stat.state, stat.kernel_thread, stat.scannable) == ("S", False, True)


def test_a_name_that_is_no_utf_8_keeps_its_bytes(proc: Path) -> None:
    add(proc, stat=stat_line(b"caf\xe9 (x"))
    assert os.fsencode(Procfs(proc).stat(PID).process.name) == b"caf\xe9 (x"


@pytest.mark.parametrize(
    ("state", "flags", "expected"),
    [
        (b"R", 0, True),
        (b"D", 0, True),
        (b"T", 0, True),
        (b"t", 0, True),
        (b"I", KTHREAD, False),
        (b"S", KTHREAD | 0x40, False),
        (b"R", 0x4, False),  # about to exit
        (b"X", 0, False),
        (b"x", 0, False),
    ],
)
def test_zombies_and_kernel_threads_are_not_scannable(
    proc: Path, state: bytes, flags: int, expected: bool
) -> None:
    add(proc, stat=stat_line(state=state, flags=flags))
    assert Procfs(proc).stat(PID).scannable is expected


@pytest.mark.parametrize(
    ("state", "flags", "threads", "expected"),
    [
        (b"Z", 0x40_0004, 2, (True, True)),
        (b"Z", 0x40_0004, 1, (False, False)),
        (b"S", 0, 9, (True, False)),
        (b"R", 0x4, 9, (False, False)),  # all of it is about to exit
    ],
)
def test_a_process_whose_main_thread_has_ended_is_there_while_others_run(
    proc: Path, state: bytes, flags: int, threads: int, expected: tuple[bool, bool]
) -> None:
    add(proc, stat=stat_line(state=state, flags=flags).replace(b" 1020 ", b" %d " % threads))
    stat = Procfs(proc).stat(PID)
    assert (stat.scannable, stat.without_leader) == expected


def test_pids_are_all_names_that_are_numbers(proc: Path) -> None:
    for name in ("20", "3", "self", "1x", "irq"):
        (proc / name).mkdir()
    assert Procfs(proc).pids() == [3, 20]


@pytest.mark.parametrize("content", [None, b""])
def test_the_stat_of_a_process_that_vanished_is_process_gone(
    proc: Path, content: bytes | None
) -> None:
    if content is not None:
        add(proc, stat=content)
    with pytest.raises(ProcessGone) as caught:
        Procfs(proc).stat(PID)
    assert caught.value.pid == PID


def test_the_maps_and_status_of_a_process_that_vanished_are_process_gone(proc: Path) -> None:
    with pytest.raises(ProcessGone):
        parse_maps(Procfs(proc).maps(PID))
    with pytest.raises(ProcessGone):
        Procfs(proc).page_table_bytes(PID)


def test_page_table_bytes_are_vm_pte(proc: Path) -> None:
    status = b"Name:\tVmPTE: 9 kB\nVmPeak:\t  200 kB\nVmPTE:\t     132 kB\nVmSwap:\t 0 kB\n"
    add(proc, status=status)
    assert Procfs(proc).page_table_bytes(PID) == 132 * 1024


def test_a_status_without_memory_is_process_gone(proc: Path) -> None:
    add(proc, status=b"Name:\tx\nState:\tZ (zombie)\n")
    with pytest.raises(ProcessGone):
        Procfs(proc).page_table_bytes(PID)


def test_boot_id_is_one_word(proc: Path) -> None:
    folder = proc / "sys/kernel/random"
    folder.mkdir(parents=True)
    (folder / "boot_id").write_text("c0ffee-1\n")
    assert Procfs(proc).boot_id() == "c0ffee-1"


def rows(table: VmaTable) -> list[tuple[int, int, int]]:
    columns = (table.starts.tolist(), table.ends.tolist(), table.flags.tolist())
    return list(zip(*columns, strict=True))


def maps_line(permissions: str, inode: int, path: str) -> str:
    tail = f"{inode}".ljust(12) + path if path else f"{inode} "
    return f"7f0000001000-7f0000003000 {permissions} 0001f000 fd:01 {tail}\n"


@pytest.mark.parametrize(
    ("permissions", "inode", "path", "flags"),
    [
        ("rw-p", 0, "", R | W),
        ("rw-p", 0, "[heap]", R | W),
        ("rw-p", 0, "[stack]", R | W),
        ("rw-p", 0, "[anon:a name with spaces]", R | W),
        ("rw-s", 0, "[anon_shmem:x]", R | W | SHARED),
        ("---p", 0, "", VmaFlag(0)),
        ("r-xp", 99, "/usr/lib/libc.so.6", R | X | FILE),
        ("rw-p", 99, "/home/a file (deleted)", R | W | FILE),
        ("--xp", 0, "", X),
        ("r-xp", 0, "[vdso]", R | X | SPECIAL),
        ("r--p", 0, "[vvar]", R | SPECIAL),
        ("r--p", 0, "[vvar_vclock]", R | SPECIAL),
        ("--xp", 0, "[vsyscall]", X | SPECIAL),
        ("--xp", 0, "[uprobes]", X | SPECIAL),
        ("rw-s", 12, "/dev/nvidia0", R | W | SHARED | FILE | SPECIAL),
        ("rw-p", 12, "/dev/mem", R | W | FILE | SPECIAL),
        ("rw-s", 12, "/dev/shm/segment", R | W | SHARED | FILE),
        ("rw-s", 12, "/dev/zero (deleted)", R | W | SHARED | FILE),
        ("rw-p", 12, "/dev/zero", R | W | FILE),
        ("rw-p", 12, "/anon_hugepage (deleted)", R | W | FILE | HUGETLB),
        ("rw-s", 12, "/dev/hugepages/pool", R | W | SHARED | FILE | HUGETLB),
        ("rw-s", 12, "/memfd:x (deleted)", R | W | SHARED | FILE),
        ("rw-s", 12, "/SYSV00000000 (deleted)", R | W | SHARED | FILE),
        ("rw-s", 12, "anon_inode:[perf_event]", R | W | SHARED | FILE),
        ("r--p", 99, "/home/dev/null", R | FILE),
        ("r--p", 99, r"/tmp/two\012lines", R | FILE),
        ("rw-p", 99, "/tmp/7f00-7f01 rw-p 0 0:0 0", R | W | FILE),
    ],
)
def test_a_mapping_is_what_its_line_says(
    permissions: str, inode: int, path: str, flags: VmaFlag
) -> None:
    table = parse_maps(maps_line(permissions, inode, path).encode())
    assert rows(table) == [(0x7F0000001000, 0x7F0000003000, int(flags))]


def test_the_highest_addresses_fit() -> None:
    line = b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
    assert rows(parse_maps(line)) == [
        (0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, int(X | SPECIAL)),
    ]


def test_no_mappings_are_an_empty_table_of_the_right_types() -> None:
    table = parse_maps(b"")
    assert len(table) == 0
    assert (table.starts.dtype, table.ends.dtype, table.flags.dtype) == (
        np.uint64,
        np.uint64,
        np.uint16,
    )


def test_a_last_line_that_was_cut_anywhere_is_left_out() -> None:
    whole = maps_line("rw-p", 0, "[heap]").encode()
    last = maps_line("r--s", 1234, "/dev/hugepages/pool").encode()
    expected = rows(parse_maps(whole))
    wrong = [
        last[:cut] for cut in range(len(last)) if rows(parse_maps(whole + last[:cut])) != expected
    ]
    assert wrong == []


def test_fifty_thousand_mappings_keep_their_order_and_flags(proc: Path) -> None:
    count = 50_000
    kinds = [("rw-p", "0", "", R | W), ("r--p", "77", "/lib/x{}", R | FILE), ("---p", "0", "", 0)]
    lines, expected = [], []
    for number in range(count):
        permissions, inode, path, flags = kinds[number % len(kinds)]
        start = 0x10000 + number * 0x3000
        lines.append(
            f"{start:08x}-{start + 0x2000:08x} {permissions} 00000000 00:00 {inode} "
            f"{path.format(number)}\n"
        )
        expected.append((start, start + 0x2000, int(flags)))
    add(proc, maps="".join(lines).encode())
    table = parse_maps(Procfs(proc).maps(PID))
    assert rows(table) == expected
    assert table.pages == 2 * count


@pytest.mark.parametrize(
    ("name", "command", "long_name"),
    [
        (b"sleep", b"/bin/sleeping\0" + b"1\0", ""),
        (b"gnome-terminal-", b"/usr/lib/gnome-terminal-server\0--x\0", "gnome-terminal-server"),
        (
            b"a-script-with-a",
            b"python3\0-u\0/x/a-script-with-a-name.py\0",
            "a-script-with-a-name.py",
        ),
        (b"a-name-of-fifte", b"another\0", ""),
        (b"a-name-of-fifte", b"", ""),
        (b"a-name-of-fifte", b"x" * 4096 + b"\0a-name-of-fifteen\0", ""),
        (b"caf\xe9-with-a-lon", b"caf\xe9-with-a-long-name\0", "caf\udce9-with-a-long-name"),
    ],
)
def test_a_name_that_the_kernel_cut_is_completed_by_the_command_line(
    proc: Path, name: bytes, command: bytes, long_name: str
) -> None:
    status = b"Uid:\t0\t26\t0\t0\n"
    add(proc, stat=stat_line(name), status=status, cgroup=b"0::/a\n", cmdline=command)
    facts = Procfs(proc).facts(PID)
    assert (facts.long_name, facts.uid, facts.cgroup) == (long_name, 26, "/a")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"0::/web\n", "/web"),
        (b"0::/web front\n", "/web front"),  # another one than /web
        (b"0::/a\x0b\x0c\x1cb\n", "/a\x0b\x0c\x1cb"),
        (b"0::/caf\xe9\x85\n", "/caf\udce9\udc85"),
        (b"0::/a: b/0::/c\n", "/a: b/0::/c"),
        (b"0::/gone (deleted)\n", "/gone (deleted)"),
        (b"4:memory:/v1\n0::/v2\n", "/v2"),
        (b"4:memory:/v1\n", "/"),
    ],
)
def test_a_cgroup_is_the_rest_of_its_line(text: bytes, path: str) -> None:
    assert parse_cgroup(text) == path


def test_names_of_mappings_are_the_rest_of_their_line() -> None:
    found = parse_names(
        b"1000-3000 rw-p 00000000 00:00 0                          [heap]\n"
        b"5000-6000 rw-p 00000000 00:00 0 \n"
        b"7000-8000 r--p 00000000 08:01 9   /srv/a file (deleted)\n"
        b"9000-a000 r--p 00000000 08:01 9   /cut"
    )
    assert found.names == (b"[heap]", b"", b"/srv/a file (deleted)")
    assert (found.starts[1], found.ends[2]) == (0x5000, 0x8000)
