"""Folders that look like /sys and /proc of a machine with memory nodes."""

from dataclasses import dataclass
from pathlib import Path

from mmscand.linux.topology import NodeReader
from mmscand.node_lists import parse_id_list

MIB = 1 << 20
BLOCK = 128 * MIB


@dataclass
class FakeSys:
    """Writes the files that the kernel would show."""

    root: Path

    @property
    def nodes(self) -> Path:
        return self.root / "sys/devices/system/node"

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def machine(self, has_memory: str, has_cpu: str, online: str, *distances: str) -> None:
        for name, ids in (("has_memory", has_memory), ("has_cpu", has_cpu), ("online", online)):
            self.write(f"sys/devices/system/node/{name}", ids)
        for node, row in zip(sorted(parse_id_list(online)), distances, strict=True):
            self.write(f"sys/devices/system/node/node{node}/distance", row)

    def blocks(self, node: int, *numbers: int, block_bytes: int = BLOCK) -> None:
        self.write("sys/devices/system/memory/block_size_bytes", f"{block_bytes:x}")
        for number in numbers:
            (self.nodes / f"node{node}/memory{number}").mkdir(parents=True)
        (self.nodes / f"node{node}/memory_failure").mkdir()  # Linux 6.3: not a block

    def tier(self, number: int, nodes: str) -> None:
        folder = f"sys/devices/virtual/memory_tiering/memory_tier{number}"
        self.write(f"{folder}/nodelist", nodes)

    def hmat(self, node: int, latency: int, bandwidth: int) -> None:
        folder = f"sys/devices/system/node/node{node}/access0/initiators"
        self.write(f"{folder}/read_latency", str(latency))
        self.write(f"{folder}/read_bandwidth", str(bandwidth))

    def reader(self) -> NodeReader:
        return NodeReader(self.root / "sys", self.root / "proc")

    def zones(self) -> None:
        """Node 0: DMA, DMA32 and a nearly empty Normal; node 1: Normal and Movable."""
        self.write(
            "proc/zoneinfo",
            ZONE.format(node=0, name="DMA", free=2816, high=84, spanned=4095, start=1)
            .replace("\n", "\n  per-node stats\n      high 3 apples\n", 1)
            .replace("(0, 0, 0, 0, 0)", "(0, 1815, 1815, 1815, 1815)")
            + ZONE.format(node=0, name="DMA32", free=5000, high=1000, spanned=1044480, start=4096)
            + ZONE.format(node=0, name="Normal", free=50, high=70, spanned=1000, start=2_000_000)
            + EMPTY_ZONE.format(node=0, name="Movable")
            + EMPTY_ZONE.format(node=1, name="DMA")
            + ZONE.format(node=1, name="Normal", free=700, high=100, spanned=100, start=3_000_000)
            + EMPTY_ZONE.format(node=1, name="Device")
            + ZONE.format(node=10, name="Normal", free=9, high=1, spanned=10, start=9_000_000),
        )

    def counters(self, node: int, **counters: int) -> None:
        lines = ["nr_zone_inactive_file 4711", "nr_free_pages_blocks 4712", "odd"]
        lines += [f"{name} {value}" for name, value in counters.items()]
        self.write(f"sys/devices/system/node/node{node}/vmstat", "\n".join(lines))


ZONE = """Node {node}, zone {name:>8}
  pages free     {free}
        boost    0
        min      11
        low      13
        high     {high}
        spanned  {spanned}
        present  {spanned}
        managed  {spanned}
        cma      0
        protection: (0, 0, 0, 0, 0)
      nr_free_pages {free}
      nr_zone_inactive_anon 4711
  pagesets
    cpu: 0
              count: 1
              high:  99999
              batch: 1
              high_min: 88888
              high_max: 77777
  vm stats threshold: 4
    cpu: 1
              count: 2
              high:  99999
  node_unreclaimable:  0
  start_pfn:           {start}
"""
EMPTY_ZONE = """Node {node}, zone  {name}
  pages free     0
        boost    0
        min      0
        low      0
        high     0
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0, 0, 0)
"""
