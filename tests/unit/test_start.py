"""What a command imports: most of the time and memory of a start are imports.

script/bench start measures both; this holds the modules, which no noise of the machine changes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmscand.control.listener import ControlServer
from mmscand.history.writer import HistoryWriter

HTTP = {"fastapi", "starlette", "uvicorn", "httpx", "h11", "anyio", "asyncio", "pydantic"}
TERMINAL = {"rich", "typer", "click"}
"""typer imports pydantic as soon as it parses an option."""
MODULES_AFTER = """
import json, sys
from mmscand.__main__ import main
sys.argv[0] = "mmscand"
try:
    main()
finally:
    print(json.dumps([name for name in sys.modules if name != "__main__"]))
"""


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command leaves in its interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES_AFTER, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_version_needs_nothing() -> None:
    loaded = loaded_by("--version")
    assert not loaded & (HTTP | TERMINAL | {"numpy"})
    assert {name for name in loaded if name.startswith("mmscand.cli.")} == {
        "mmscand.cli.app",
        "mmscand.cli.output",
    }


def test_help_imports_no_command() -> None:
    loaded = loaded_by("--help")
    assert not loaded & (HTTP | {"numpy", "rich", "typer"})
    assert {name for name in loaded if name.startswith("mmscand.cli.")} == {
        "mmscand.cli.app",
        "mmscand.cli.commands",
        "mmscand.cli.output",
    }


@pytest.mark.parametrize(
    "command",
    [
        *("status", "ps", "ps 7", "get", "get hot_passes", "set hot_passes=2", "reset"),
        *("enable", "disable", "reload", "get --defaults"),
    ],
)
def test_a_client_loads_neither_numpy_nor_a_framework(
    server: ControlServer, socket_path: Path, command: str
) -> None:
    loaded = loaded_by(*command.split(), "--socket", str(socket_path))
    assert not loaded & (HTTP | {"numpy", "rich", "typer"})
    assert len(loaded) <= 160


def test_the_history_needs_no_table_and_so_no_numpy(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    HistoryWriter(file).close()
    loaded = loaded_by("history", "--file", str(file))
    assert not loaded & (HTTP | {"numpy", "rich", "typer"})


DAEMON = """
import json, sys
from pathlib import Path
import mmscand.cli.commands, mmscand.cli.run
from mmscand import __version__
from mmscand.cli.controlled import ControlledDaemon
from mmscand.config import load_config
from mmscand.control.listener import ControlServer
from mmscand.daemon import Daemon
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.control.client import ControlClient
path, config = Path(sys.argv[1]), load_config(Path("/dev/null"))
daemon = Daemon(SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512})), settings=config.settings)
server = ControlServer(ControlledDaemon(daemon, config, lambda: config), __version__, path)
server.start()
with daemon:
    for ask in ("status", "processes", "knobs", "reload"):
        getattr(ControlClient(path), ask)()
    print(json.dumps(list(sys.modules)))
server.stop()
"""


def test_a_daemon_loads_no_framework(socket_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DAEMON, str(socket_path)], capture_output=True, text=True, check=True
    )
    loaded = {name for name in json.loads(done.stdout) if not name.startswith("mmscand.sim")}
    assert not loaded & (HTTP | {"rich", "typer"})
    # 134 of Python and of this environment, 12 of click, 156 of ours.
    # Numpy's own are left out: 86 of 2.4, 105 of 1.24.
    others = {name for name in loaded if name.partition(".")[0] != "numpy"}
    assert len(others) <= 312
