"""The HTTP API on a real socket, in front of a daemon on another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.control.unix_socket import listen


@pytest.fixture
def client(server: ControlServer, socket_path: Path) -> ControlClient:
    return ControlClient(socket_path)


@pytest.fixture
def api_path(tmp_path: Path) -> Path:
    return tmp_path / "api.sock"


@pytest.fixture
def api(client: ControlClient, api_path: Path) -> Iterator[ApiServer]:
    sock = listen(api_path, None)
    with sock, ApiServer(create_app(client, __version__), sock) as api:
        yield api
