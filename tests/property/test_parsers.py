"""Whatever bytes the kernel's text has, a parser gives a value or one of our errors."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.errors import MmscandError
from mmscand.linux.btf import Btf, StructOffsets
from mmscand.linux.free_memory import FreeMemory
from mmscand.linux.iomem import parse_iomem
from mmscand.linux.mglru import mglru_is_on, parse_generations
from mmscand.linux.numa_policy import parse_numa_maps
from mmscand.linux.pagemap import parse_words
from mmscand.linux.privileges import parse_missing
from mmscand.linux.proc_events import parse_event
from mmscand.linux.procfs import (
    parse_cgroup,
    parse_cpuset,
    parse_maps,
    parse_page_table_bytes,
    parse_resident_pages,
    parse_stat,
    parse_uid,
)
from mmscand.linux.topology import NodeReader
from mmscand.linux.unseen_use import by_pins
from mmscand.linux.zoneinfo import parse_zoneinfo
from mmscand.node_lists import parse_node_option

STATUS = (
    b"Name:\tcaf\xe9\nState:\tS (sleeping)\nUid:\t0\t1000\t0\t0\nVmPTE:\t     132 kB\n"
    b"CapEff:\t000001ffffffffff\nMems_allowed_list:\t0-1,3\nSeccomp:\t2\n"
)
ZONEINFO = (
    b"Node 0, zone   Normal\n  per-node stats\n      nr_dirty 3\n  pages free     3840\n"
    b"        high     61\n        spanned  4095\n        present  3998\n"
    b"        protection: (0, 3019, 6091)\n  pagesets\n    cpu: 0\n              high:     0\n"
    b"  node_unreclaimable:  0\n  start_pfn:           1\nNode 1, zone  Movable\n"
)
LRU_GEN = b"memcg     1 /\n node     0\n          0      10        153       5673\nmemcg 7 /a b\n"
BTF = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 36, 36, 27) + (
    struct.pack("<III", 1, 1 << 31 | 4 << 24 | 2, 16)
    + struct.pack("<IIIIII", 13, 1, 64, 0, 1, 128)  # the second member is the structure itself
    + b"\0task_struct\0tasks\0tgid\0mm\0"
)
EVENT = struct.pack("=IHHII", 76, 3, 0, 0, 0) + struct.pack("=IIIIHH", 1, 1, 0, 0, 40, 0)
PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "stat": (lambda b: parse_stat(7, b), b"7 (a b) S 1 " + b"2 " * 17 + b"555 0 0\n"),
    "uid": (parse_uid, STATUS),
    "cgroup": (parse_cgroup, b"1:name=systemd:/\n0::/system.slice/a b (deleted)\n"),
    "cpuset": (lambda b: parse_cpuset(7, b), STATUS),
    "page table bytes": (lambda b: parse_page_table_bytes(7, b), STATUS),
    "pins": (by_pins, STATUS + b"VmPin:\t  12 kB\nVmRSS:\t 20 kB\n"),
    "statm": (lambda b: parse_resident_pages(7, b), b"5 4 3 2 0 1 0\n"),
    "capabilities": (parse_missing, STATUS),
    "maps": (parse_maps, b"7f00-7f01 rw-p 00000000 fd:01 12   /a b\n7f02-7f03 r--s 0 0:0 0 \n"),
    "numa_maps": (parse_numa_maps, b"7f00 bind=static:0-1,3 anon=1\n7f01 prefer (many):2\n"),
    "lru_gen": (parse_generations, LRU_GEN),
    "zoneinfo": (parse_zoneinfo, ZONEINFO),
    "iomem": (parse_iomem, b"00001000-0009fbff : System RAM\n  1-2 : System RAM (kmem)\n"),
    "node list": (lambda b: parse_node_option("--nodes", b.decode("latin-1")), b"0-2,5\n"),
    "BTF": (lambda b: StructOffsets.from_btf(Btf(b)), BTF),
    "process event": (parse_event, EVENT + struct.pack("=IIQIIII", 1, 0, 5, 6, 7, 8, 9)),
    "pagemap": (parse_words, bytes(range(24))),
}


def mutated(valid: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and the valid ones with a piece replaced."""
    place = st.integers(0, len(valid))
    piece = st.one_of(st.binary(max_size=9), st.sampled_from([b"9" * 5000, b"-1", b"\xb2", b"0_1"]))
    spliced = st.builds(lambda a, b, new: valid[:a] + new + valid[b:], place, place, piece)
    return st.one_of(st.binary(max_size=300), spliced)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_parser_gives_a_value_or_one_of_our_errors(name: str, data: st.DataObject) -> None:
    parse, valid = PARSERS[name]
    with contextlib.suppress(MmscandError):
        parse(data.draw(mutated(valid)))


FILES = {
    "sys/devices/system/node/online": b"0-1\n",
    "sys/devices/system/node/has_memory": b"0-1\n",
    "sys/devices/system/node/has_cpu": b"0\n",
    "sys/devices/system/node/node0/distance": b"10 20\n",
    "sys/devices/system/node/node1/distance": b"20 10\n",
    "sys/devices/system/node/node0/access0/initiators/read_latency": b"100\n",
    "sys/devices/system/memory/block_size_bytes": b"8000000\n",
    "sys/devices/virtual/memory_tiering/memory_tier4/nodelist": b"0-1\n",
    "sys/devices/system/node/node0/vmstat": b"nr_free_pages 9000\nnr_inactive_file 7\n",
    "proc/zoneinfo": ZONEINFO,
}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_nodes_are_read_or_it_is_said_in_words_why_not(name: str, data: st.DataObject) -> None:
    with TemporaryDirectory() as root:
        for file, content in FILES.items():
            path = Path(root) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.draw(mutated(content)) if file == name else content)
        (Path(root) / "sys/devices/system/node/node0/memory3").mkdir()
        reader = NodeReader(Path(root) / "sys", Path(root) / "proc")
        with contextlib.suppress(MmscandError):
            reader.nodes()
        memory = FreeMemory(Path(root) / "sys", Path(root) / "proc")
        assert memory.free_pages(0) >= 0
        assert memory.page_cache(0).pages >= 0


@given(st.binary(max_size=40))
def test_the_switch_of_mglru_is_on_or_off(data: bytes) -> None:
    with TemporaryDirectory() as root:
        file = Path(root) / "enabled"
        file.write_bytes(data)
        assert mglru_is_on(file) in (True, False)
