"""Which memory is the faster one, by the firmware's figures (HMAT)."""

from collections.abc import Iterable

from mmscand.model import Node


def is_faster(node: Node, others: Iterable[Node]) -> bool:
    """Than each of these, as the kernel weighs it (mt_perf_to_adistance, mm/memory-tiers.c).

    Latency times what is lacking in bandwidth; where one figure is missing, the other alone.
    """
    return all(_slowness(node, other) < 1 for other in others)


def _slowness(node: Node, other: Node) -> float:
    slowness = 1.0
    if node.read_latency_ns and other.read_latency_ns:
        slowness *= node.read_latency_ns / other.read_latency_ns
    if node.read_bandwidth_mb_s and other.read_bandwidth_mb_s:
        slowness *= other.read_bandwidth_mb_s / node.read_bandwidth_mb_s
    return slowness
