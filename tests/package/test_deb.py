"""The Debian packages, in roots of Debian 12 and 13: installed, started, upgraded, removed, purged.

Two to four minutes each, most of it for the root and what it downloads: script/soak runs these.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmscand import __version__
from support.debian_root import DebianRoot

ROOT = Path(__file__).resolve().parents[2]
NEXT = f"{__version__}+next"
MOST_MIB = 150
GET_DESCRIPTION = """
import socket
with socket.socket(socket.AF_UNIX) as client:
    client.connect("/run/mmscand-api.sock")
    client.sendall(b"GET /openapi.json HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n")
    answer = b"".join(iter(lambda: client.recv(65536), b""))
print(answer.partition(b"\\r\\n\\r\\n")[2].decode())
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this version and of the next, from the same tree."""
    folder = tmp_path_factory.mktemp("packages")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*wheel, str(folder), str(ROOT)], check=True)
    (file,) = folder.glob("*.whl")
    for version in (__version__, NEXT):
        command = [ROOT / "packaging/deb/build", "--version", version, "--wheel", file, folder]
        subprocess.run(list(map(str, command)), check=True)
    return folder


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DebianRoot:
    return DebianRoot.made(request.param, tmp_path_factory.mktemp("root") / request.param)


def test_from_a_fresh_root_to_a_service_that_runs(
    root: DebianRoot, packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, began = root.mib(), time.monotonic()
    root.install(packages / f"mmscand_{__version__}_all.deb")
    installed = time.monotonic()
    with root.started("mmscand.service") as status:
        ready = time.monotonic()
    assert status
    taken = root.mib() - before
    with capsys.disabled():
        print(
            f"\n{root.folder.name}: installed in {installed - began:.0f} s with all downloads, "
            f"ready {ready - installed:.1f} s later ({status}); {taken:.0f} MiB"
        )
    assert taken <= MOST_MIB


def test_check_says_why_it_would_not_promote_here(root: DebianRoot) -> None:
    said = root.run("mmscand", "check", code=3)
    assert "would not work here" in said
    assert "Traceback" not in said


def test_what_belongs_to_it_is_there(root: DebianRoot) -> None:
    assert root.run("mmscand", "--version") == f"mmscand {__version__}\n"
    assert "mmscand:x:" in (root.folder / "etc/group").read_text()
    wanted = "etc/systemd/system/multi-user.target.wants/mmscand.service"
    assert (root.folder / wanted).is_symlink()
    assert root.run("mmscand", "check", "--config", "/etc/mmscand.toml")
    assert list(root.folder.glob("usr/share/man/man8/mmscand.8.gz"))
    assert list(root.folder.glob("usr/lib/python3/dist-packages/mmscand/__pycache__/*.pyc"))


def test_an_upgrade_keeps_the_configuration(root: DebianRoot, packages: Path) -> None:
    configuration = root.folder / "etc/mmscand.toml"
    changed = configuration.read_text() + "\n[[rule]]\nname = 'x'\n"
    configuration.write_text(changed)
    root.install(packages / f"mmscand_{NEXT}_all.deb")
    assert root.run("dpkg-query", "-W", "-f", "${Version}", "mmscand") == NEXT
    assert configuration.read_text() == changed
    with root.started("mmscand.service") as status:
        assert status


def test_the_api_of_debian_13_answers(root: DebianRoot, packages: Path) -> None:
    """With the packages that this release has: the floors of the extra `api`."""
    if root.folder.name != "trixie":
        return  # Debian 12 has FastAPI 0.92
    root.install(packages / f"mmscand-api_{NEXT}_all.deb")
    with root.started("mmscand-api.service"):
        assert "/v1/status" in json.loads(root.run("python3", "-c", GET_DESCRIPTION))["paths"]


def test_removed_it_leaves_its_configuration_and_purged_nothing(root: DebianRoot) -> None:
    root.run("apt-get", "remove", "--yes", "mmscand")
    assert root.named("mmscand") >= {"etc/mmscand.toml"}
    assert not [
        name for name in root.named("mmscand") if name.startswith(("usr/bin", "usr/lib/py"))
    ]
    root.run("apt-get", "purge", "--yes", "mmscand", "mmscand-api")
    assert root.named("mmscand") == set()
