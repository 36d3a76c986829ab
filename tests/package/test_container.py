"""The daemon's image, made as the Containerfile says, and run with the rights of the DaemonSet.

A container runtime is not needed, and is not tested: neither its seccomp loader nor AppArmor. This
machine may have one tier of memory: then `check` ends with 3, and its other rows are compared.
Two to four minutes, most of it for the root: script/soak runs these.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from mmscand.linux.privileges import NEEDED
from support.container_image import (
    ENVIRONMENT,
    Image,
    bpf_of,
    contained,
    entered,
    entry_point,
    shown,
)
from support.debian_root import DebianRoot
from support.manifests import BASE, of_kind, resources

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

MOST_MIB = 300
API_USER = 980
ROWS = {"surroundings", "privileges", "reader bpf", "reading", "aging", "moving"}
"""Of `mmscand check`: all that takes rights."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def root(image: Image) -> DebianRoot:
    return image.stage("daemon")


@pytest.fixture(scope="module")
def capabilities() -> list[str]:
    pod = of_kind(resources(BASE), "DaemonSet")["spec"]["template"]["spec"]
    (daemon,) = (each for each in pod["containers"] if each["name"] == "mmscand")
    given: list[str] = daemon["securityContext"]["capabilities"]["add"]
    return given


@pytest.fixture(scope="module")
def seccomp() -> bytes:
    return bpf_of(json.loads((BASE / "seccomp.json").read_text()))


def checked(
    root: DebianRoot, capabilities: list[str], seccomp: bytes | None
) -> dict[str, tuple[bool, str]]:
    """Rows of `mmscand check` in the container."""
    command = [*entry_point("daemon"), "check", "--json"]
    done = contained(root, command, capabilities, seccomp)
    assert done.returncode in (0, 3), shown(done)
    assert "Traceback" not in done.stderr
    return {row["name"]: (row["ok"], row["detail"]) for row in json.loads(done.stdout)}


def test_the_image_is_small_and_has_no_checkout(
    root: DebianRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    # Debian's image keeps no packages; its apt is configured so, and this root's is not.
    command = ["du", "-skx", "--exclude=var/cache/apt/*", str(root.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mib = int(done.stdout.split()[0]) / 1024
    with capsys.disabled():
        print(f"\nthe daemon's image: {mib:.0f} MiB, of which Debian with Python is the most")
    assert mib <= MOST_MIB
    assert not (root.folder / "checkout").exists()
    assert (root.folder / "opt/mmscand/bin/mmscand").is_file()


def test_the_four_capabilities_and_the_profile_are_enough(
    root: DebianRoot, capabilities: list[str], seccomp: bytes
) -> None:
    with_rights = checked(root, capabilities, seccomp)
    refused = {name: row for name, row in with_rights.items() if name in ROWS and not row[0]}
    assert refused == {}
    unconfined = checked(root, capabilities, None)
    differs = {name for name, row in unconfined.items() if row[0] != with_rights[name][0]}
    assert differs == set()


@pytest.mark.parametrize("name", [name.removeprefix("CAP_") for name, _ in NEEDED.values()])
def test_one_capability_less_is_named(
    root: DebianRoot, capabilities: list[str], seccomp: bytes, name: str
) -> None:
    rows = checked(root, [each for each in capabilities if each != name], seccomp)
    assert rows["privileges"] == (False, f"missing CAP_{name}")


def test_a_profile_without_bpf_is_named(root: DebianRoot, capabilities: list[str]) -> None:
    """As the default profile of a runtime may be: the test of the profile does see a refusal."""
    profile = json.loads((BASE / "seccomp.json").read_text())
    profile["syscalls"][0]["names"].remove("bpf")
    ok, why = checked(root, capabilities, bpf_of(profile))["reader bpf"]
    assert not ok
    assert "seccomp" in why


def test_the_root_is_read_only_and_run_is_not(
    root: DebianRoot, capabilities: list[str], seccomp: bytes
) -> None:
    program = entry_point("daemon")
    done = contained(root, [*program, "node-labels", "--file", "/x"], capabilities, seccomp)
    assert (done.returncode, "Read-only file system" in done.stderr) == (1, True), shown(done)
    done = contained(root, [*program, "node-labels", "--file", "/run/x"], capabilities, seccomp)
    assert done.returncode == 0, shown(done)


def test_labels_say_the_reader(root: DebianRoot, capabilities: list[str], seccomp: bytes) -> None:
    done = contained(root, [*entry_point("daemon"), "node-labels"], capabilities, seccomp)
    assert "mmscand.dev/reader=bpf" in done.stdout, shown(done)


def test_a_process_of_another_user_is_read_and_aged(
    root: DebianRoot, capabilities: list[str], seccomp: bytes
) -> None:
    """`record` finds, reads and ages as the daemon does, and works with one tier too."""
    record = [*entry_point("daemon"), "record", "--seconds", "2", "/run/x.mms"]
    process = subprocess.Popen(["/usr/bin/sleep", "60"], user="nobody")
    try:
        done = contained(root, [*record, "--pid", str(process.pid)], capabilities, seccomp)
    finally:
        process.kill()
        process.wait()
    assert done.returncode == 0, shown(done)
    assert "reader bpf" in done.stdout
    assert "passes over 1 processes" in done.stdout


def test_the_configuration_of_the_base_is_accepted(
    root: DebianRoot, capabilities: list[str], seccomp: bytes
) -> None:
    """Its group is the one that the image has."""
    folder = root.folder / "etc/mmscand"
    folder.mkdir(exist_ok=True)
    (folder / "mmscand.toml").write_text((BASE / "mmscand.toml").read_text())
    command = [*entry_point("daemon"), "config", "check", "/etc/mmscand/mmscand.toml"]
    done = contained(root, command, capabilities, seccomp)
    assert done.returncode == 0, shown(done)


def test_the_seccomp_profile_is_copied_without_any_capability(root: DebianRoot) -> None:
    """The init container's command, on folders of the root in the place of its mounts."""
    pod = of_kind(resources(BASE), "DaemonSet")["spec"]["template"]["spec"]
    (init,) = (each for each in pod["initContainers"] if each["name"] == "seccomp-profile")
    source = root.folder / "etc/mmscand/seccomp.json"
    source.parent.mkdir(exist_ok=True)
    source.write_text((BASE / "seccomp.json").read_text())
    command = [word.replace("/profiles/", "/run/") for word in init["command"]]
    done = contained(root, command, [], None)
    assert done.returncode == 0, shown(done)


def test_the_api_serves_as_its_user_without_any_capability(image: Image) -> None:
    """With a token that root owns and its group may read, as the kubelet mounts it."""
    root = image.stage("api")
    folder = root.folder / "etc/token"
    folder.mkdir()
    token = folder / "token"
    token.write_text("0123456789abcdef" * 4)
    os.chown(token, 0, API_USER)
    token.chmod(0o440)
    options = ["--socket=/run/api.sock", "--group=mmscand", "--listen=0.0.0.0:0"]
    options += ["--token-file=/etc/token/token", "--history=/run/history.db"]
    command = entered(root, [*entry_point("api"), *options], [], user=API_USER)
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        # Before it, that there is no daemon; at the end of its output it has failed.
        said = next((line for line in process.stdout if " serves " in line), "")
        assert "/run/api.sock and http://0.0.0.0:" in said
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^CapPrm:\s+0+$", status, re.MULTILINE)
        assert re.search(rf"^Uid:\s+{API_USER}\s", status, re.MULTILINE)
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0


def test_everything_was_left_as_it_was(root: DebianRoot) -> None:
    """Mounts of a container are its own."""
    assert str(root.folder) not in Path("/proc/mounts").read_text()
    assert not (root.folder / "run/x").exists()
