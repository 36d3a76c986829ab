"""Lists of nodes, and nodes that are named."""

import pytest

from mmscand.errors import UsageError
from mmscand.node_lists import NamedNodes, nodes_of_options, parse_id_list, parse_node_option


@pytest.mark.parametrize(
    ("text", "ids"),
    [("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("7,7,6-7", {6, 7}), (" 1 \n", {1}), ("10-10", {10})],
)
def test_a_list_of_nodes_is_written_like_the_kernel_does(text: str, ids: set[int]) -> None:
    assert parse_node_option("--slow-nodes", text) == ids
    assert parse_id_list(text) == ids


@pytest.mark.parametrize("text", ["", "\n"])
def test_the_kernel_s_empty_list_is_no_node(text: str) -> None:
    assert parse_id_list(text) == frozenset()


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "a", "0,b", "-1", "-", "2-", "2-1", "0-1-2", "1.5", "0x1", "--", "all", "1 2"],
)
def test_junk_is_no_list_of_nodes(text: str) -> None:
    with pytest.raises(UsageError, match="--slow-nodes") as caught:
        parse_node_option("--slow-nodes", text)
    assert "0,2-3" in caught.value.hint


def test_options_name_one_side_or_both_or_none() -> None:
    assert nodes_of_options(None, None) == NamedNodes()
    assert nodes_of_options("0,2", None) == NamedNodes(fast=frozenset({0, 2}))
    assert nodes_of_options("0", "1-2") == NamedNodes(frozenset({0}), frozenset({1, 2}))
    given = [nodes_of_options(*each).given for each in ((None, None), ("0", None), (None, "0"))]
    assert given == [False, True, True]


def test_a_node_is_not_on_both_sides() -> None:
    with pytest.raises(UsageError, match="node 1 is named fast and slow"):
        nodes_of_options("0,1", "1")
