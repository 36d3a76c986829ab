"""Each command block of README, tutorial and how-to pages is run, or names the test that does."""

import importlib
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.api.command import api
from mmscand.cli.app import main
from mmscand.cli.commands import COMMANDS
from mmscand.model import REGION_BYTES
from support.page_blocks import CONFIG, NO_COMMANDS, ROOT, Block, blocks, run_script, write_program
from support.sim_daemon import HOT, Tiers, tiers
from unit.record.test_recorder import tape, touch

ALL = blocks()
FIRST_PID = 1234
INSTALLS = ("apt-get", "pip", "pipx", "python3", "rm", "systemctl")
"""Other programs in blocks that change the machine."""


def of(world: str) -> list[Block]:
    return [block for block in ALL if block.has_commands and block.world == world]


@pytest.mark.parametrize("block", [b for b in ALL if b.language not in NO_COMMANDS], ids=str)
def test_every_block_has_a_way_to_be_run(block: Block) -> None:
    if block.language == CONFIG:
        return
    assert block.has_commands, f"{block}: name its language, as sh or text"
    known = ("here", "simulated", "parsed", "guest")
    assert block.world in known or "::" in block.world, f"{block}: no <!-- run: ... --> before it"
    if "::" in block.world:
        path, _, test = block.world.partition("::")
        assert f"def {test}(" in (ROOT / "tests" / path).read_text(), f"{block}: no such test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a recording, and the two programs."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "bin").mkdir()
    write_program(folder / "bin", "mmscand", "mmscand")
    write_program(folder / "bin", "mmscand-api", "mmscand.api")
    for name in ("app.mms", "all.mms", "db1.mms", "db2.mms", "web1.mms"):
        record(folder / name)
    return folder


def record(path: Path) -> None:
    """Of process FIRST_PID, over a few passes."""
    world = tiers()
    process = world.machine.spawn(FIRST_PID, "postgres")
    vma = world.machine.map(process, REGION_BYTES, 4096, 1)
    vma.name, process.cgroup = b"[heap]", "/system.slice/postgresql.service"
    steps = [touch(Tiers(world.machine, process, vma), HOT)] * 8
    tape(world.machine, path, steps)


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[Path]:
    """Its socket; it watches three processes."""
    socket = folder / "daemon.sock"
    words = [str(socket), "--processes", "3", "--first-pid", str(FIRST_PID)]
    process = subprocess.Popen(
        [sys.executable, "-m", "support.simulated_daemon", *words],
        cwd=ROOT / "tests",
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    write_program(folder / "bin", "mmscand", "mmscand", socket)
    yield socket
    write_program(folder / "bin", "mmscand", "mmscand")
    process.terminate()
    assert process.wait() == 0
    process.stdout.close()


def environment(folder: Path) -> dict[str, str]:
    paths = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}/src:{ROOT}/lab"}
    return os.environ | paths | {"COLUMNS": "100", "LINES": "40"}


@pytest.mark.parametrize("block", of("here"), ids=str)
def test_blocks_that_need_nothing(block: Block, folder: Path) -> None:
    run_script(block.script, folder, environment(folder))


@pytest.mark.parametrize("block", of("simulated"), ids=str)
def test_blocks_that_ask_a_daemon(block: Block, folder: Path, daemon: Path) -> None:
    run_script(block.script, folder, environment(folder))


@pytest.mark.parametrize("block", of("parsed"), ids=str)
def test_blocks_that_are_parsed(block: Block) -> None:
    lines = re.split(r"\n|&&", re.sub(r"\\\n", " ", block.script))
    commands = [words for line in lines if (words := shlex.split(line, comments=True))]
    assert commands
    for words in commands:
        _parse(*itertools.dropwhile(lambda word: re.match("[A-Z_]+=", word), words))


def _parse(program: str, *words: str) -> None:
    match Path(program).name:
        case "mmscand-api":
            api.make_context(program, list(words))
        case "mmscand":
            module, _, function = COMMANDS[words[0]][0].partition(":")
            command = getattr(importlib.import_module(f"mmscand.cli.{module}"), function)
            name, *rest = words
            while parts := getattr(command, "commands", {}):
                name, *rest = rest
                command = parts[name]
            command.make_context(name, rest)
        case name:
            assert name in INSTALLS, f"{program} is not parsed: name a test that runs it"


@pytest.mark.parametrize("block", [b for b in ALL if b.language == CONFIG], ids=str)
def test_configurations_are_accepted(
    block: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mmscand.toml"
    path.write_text(block.text)
    assert main(["check", "--config", str(path)]) == 0, capsys.readouterr()
