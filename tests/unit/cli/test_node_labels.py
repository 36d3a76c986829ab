"""`mmscand node-labels`: a file for node-feature-discovery."""

import re
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand.cli.node_labels import labels
from mmscand.model import Node, Topology

GIB = 1 << 30
LABEL = re.compile(r"[a-z.]+/[a-z-]+=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What Kubernetes takes as a label."""


def node(number: int, tier: int | None) -> Node:
    ranges = ((number * GIB, (number + 1) * GIB),)
    return Node(number, number == 0, ranges, {number: 10}, tier)


def test_one_tier_is_one() -> None:
    topology = Topology((node(0, 4), node(1, 4)), frozenset({0, 1}), frozenset())
    assert labels(topology, "bpf") == {
        "mmscand.dev/tiers": "1",
        "mmscand.dev/fast-bytes": str(2 * GIB),
        "mmscand.dev/reader": "bpf",
    }


def test_each_slower_tier_counts_once() -> None:
    nodes = (node(0, 4), node(1, 22), node(2, 22), node(3, 30))
    topology = Topology(nodes, frozenset({0}), frozenset({1, 2, 3}))
    made = labels(topology, "none")
    assert (made["mmscand.dev/tiers"], made["mmscand.dev/fast-bytes"]) == ("3", str(GIB))


def test_the_file_has_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of this machine, with or without rights: each line is a label."""
    assert main(["node-labels"]) == 0
    printed = capsys.readouterr().out
    assert [bool(LABEL.fullmatch(line)) for line in printed.splitlines()] == [True] * 3
    file = tmp_path / "mmscand"
    assert main(["node-labels", "--file", str(file)]) == 0
    assert (file.read_text(), [each.name for each in tmp_path.iterdir()]) == (printed, ["mmscand"])


@pytest.mark.parametrize(("slow", "tiers"), [("77", 1), ("0", 2)])
def test_nodes_of_the_configuration_count_and_missing_ones_leave_one_tier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], slow: str, tiers: int
) -> None:
    """One file is for all nodes of a cluster, also for those without such memory.

    Node 0 has memory everywhere; named slow, it leaves no other tier than its own.
    """
    file = tmp_path / "c.toml"
    file.write_text(f"[nodes]\nslow = '{slow}'")
    assert main(["node-labels", "--config", str(file)]) == 0
    assert f"mmscand.dev/tiers={tiers}\n" in capsys.readouterr().out
    file.write_text("[nodes]\nslow = 'x'")
    assert main(["node-labels", "--config", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"mmscand: {file}: nodes: slow: 'x' is not a list")


def test_a_folder_that_is_missing_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["node-labels", "--file", str(tmp_path / "none/mmscand")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
