"""Nodes of the options, else those of the file."""

from pathlib import Path

import pytest

from mmscand import config_nodes
from mmscand.cli.app import main
from mmscand.config_nodes import nodes_in_force
from mmscand.errors import UsageError
from mmscand.node_lists import NamedNodes

ONE = NamedNodes(slow=frozenset({1}))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default file."""
    file = tmp_path / "mmscand.toml"
    monkeypatch.setattr(config_nodes, "DEFAULT_FILE", file)
    return file


def test_options_count_before_the_file_and_the_file_before_nothing(file: Path) -> None:
    assert nodes_in_force(NamedNodes()) == NamedNodes()
    file.write_text("[nodes]\nslow = '1'\n[no-table-of-ours]")
    assert nodes_in_force(NamedNodes()) == ONE
    both = NamedNodes(frozenset({0}), frozenset({2}))
    assert nodes_in_force(both) == both
    assert nodes_in_force(NamedNodes(fast=frozenset({0}))).slow is None


def test_a_file_that_is_named_must_be_there(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        nodes_in_force(NamedNodes(), tmp_path / "none")


@pytest.mark.parametrize("command", [["check"], ["record", "x.mms"], ["node-labels"]])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[nodes]\nslow = '77-'", "nodes: slow: '77-' is not a list of nodes: write it like 0,2-3"),
        ("[nodes", "it has to be TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(
    file: Path,
    command: list[str],
    text: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file.write_text(text)
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"mmscand: {file}: ")
    assert words in said
    assert said.count("\n") == 1


def test_check_looks_at_the_nodes_of_the_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[nodes]\nslow = '77'")
    assert main(["check"]) == 2
    assert "no node 77 with memory" in capsys.readouterr().err
    assert main(["check", "--slow-nodes", "78"]) == 2
    assert "no node 78 with memory" in capsys.readouterr().err


def test_run_goes_by_the_nodes_of_its_file_and_options_count_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[nodes]\nslow = '77'")
    assert main(["run", "--config", str(own)]) == 2
    assert "no node 77 with memory" in capsys.readouterr().err
    assert main(["run", "--config", str(own), "--slow-nodes", "78"]) == 2
    assert "no node 78 with memory" in capsys.readouterr().err
