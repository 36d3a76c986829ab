"""A real Prometheus scrapes the real daemon, on the simulated machine, through mmscand-api."""

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.api.tcp import Address, listen_tcp
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from support.prometheus import program
from support.sim_daemon import HOT, Recorder, running, tiers, touching

PROMETHEUS = program("prometheus")
RULES = Path(__file__).resolve().parents[3] / "packaging/prometheus/alerts.yml"
WAIT_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A server that scrapes `target` each second; its URL."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "mmscand", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    here = f"127.0.0.1:{free_port()}"
    words = ["--config.file", str(folder / "prometheus.yml"), "--storage.tsdb.path", str(folder)]
    command = [str(PROMETHEUS), *words, "--web.listen-address", here, "--log.level=error"]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://{here}"
        finally:
            process.terminate()


def query(url: str, expression: str) -> list[float]:
    words = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{words}", timeout=60) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:  # it has not started yet
        return []
    return [float(each["value"][1]) for each in found]


@pytest.mark.skipif(not PROMETHEUS, reason="there is no prometheus")
def test_it_scrapes_a_running_daemon_and_sees_its_moves(tmp_path: Path) -> None:
    world, path = tiers(), tmp_path / "mmscand.sock"
    recorder = Recorder(touching(world, HOT))
    daemon = running(world.machine, recorder, scan_period_ms=20)
    server = ControlServer(daemon, __version__, path)  # type: ignore[arg-type]  # no reload
    server.start()
    sock, bound = listen_tcp(Address("127.0.0.1", 0))
    app = create_app(ControlClient(path), __version__)
    try:
        with daemon, sock, ApiServer(app, sock):
            recorder.wait_for_promoted(world.process.process, len(HOT))
            target = bound.url.removeprefix("http://")
            with prometheus(tmp_path, target) as url:
                deadline = time.monotonic() + WAIT_S
                moved = 'mmscand_pages_moved_total{direction="promoted",size="4k"}'
                while query(url, moved) != [len(HOT)]:
                    assert time.monotonic() < deadline, query(url, moved)
                    time.sleep(0.1)  # it scrapes once a second by its own clock
                assert query(url, "mmscand_up") == [1]
                assert query(url, 'sum(mmscand_tier_bytes{tier="fast"})') == [16384 * 4096]
                assert query(url, "scrape_samples_scraped")[0] > 80
                while query(
                    url, "ALERTS"
                ):  # one that is pending as a first scrape failed goes away
                    assert time.monotonic() < deadline, query(url, "ALERTS")
                    time.sleep(0.1)
    finally:
        server.stop()
