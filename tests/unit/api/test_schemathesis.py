"""Three minutes of schemathesis against a real socket: nothing that it finds is a 5xx."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.api.guard import Rights
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.api.tcp import Address, listen_tcp
from mmscand.control.client import ControlClient

TOKEN = "0123456789abcdef"
SECONDS = 180.0


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_request_is_a_server_error(client: ControlClient, tmp_path: Path) -> None:
    sock, bound = listen_tcp(Address("127.0.0.1", 0))
    app = create_app(client, __version__, Rights(TOKEN))
    program = str(Path(sys.executable).parent / "schemathesis")
    end, seed = time.monotonic() + SECONDS, 0
    with sock, ApiServer(app, sock):
        while time.monotonic() < end:
            seed += 1
            command = [program, "run", f"{bound.url}/openapi.json", "--seed", str(seed)]
            command += ["--checks", "not_a_server_error", "--max-examples", "100"]
            command += ["-H", f"Authorization: Bearer {TOKEN}", "--generation-database", "none"]
            command += ["--exclude-path", "/v1/events"]  # it has no end
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=tmp_path
            )
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    print(f"schemathesis: {seed} seeds in {SECONDS:.0f} s, no server error")
