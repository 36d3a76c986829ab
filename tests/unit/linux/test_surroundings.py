"""What stands between this process and the kernel is called by its name."""

import errno
import os
from pathlib import Path

import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.surroundings import refused, require_host, require_no_confidentiality

FIRST = {"user": 4026531837, "pid": 4026531836, "time": 4026531834}
MOUNTS = """\
22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
23 28 0:21 / {place} rw,nosuid,relatime shared:13 - proc proc rw{options}
"""


def own(folder: Path, *, seccomp: int = 0, place: str = "/proc", options: str = "") -> Path:
    """A folder that looks like /proc/self."""
    (folder / "ns").mkdir()
    for kind, number in FIRST.items():
        (folder / "ns" / kind).symlink_to(f"{kind}:[{number}]")
    (folder / "mountinfo").write_text(MOUNTS.format(place=place, options=options))
    (folder / "status").write_bytes(b"Name:\tcaf\xe9\nSeccomp:\t%d\n" % seccomp)
    return folder


def test_the_host_is_the_host(tmp_path: Path) -> None:
    require_host(own(tmp_path, options=",hidepid=invisible"))


@pytest.mark.parametrize(("kind", "words"), [("user", "root"), ("pid", "pids"), ("time", "start")])
def test_another_namespace_is_named(tmp_path: Path, kind: str, words: str) -> None:
    link = own(tmp_path) / "ns" / kind
    link.unlink()
    link.symlink_to(f"{kind}:[4026532177]")
    with pytest.raises(MachineCannot, match=f"{kind} namespace.*{words}") as caught:
        require_host(tmp_path)
    assert "host" in caught.value.hint


def test_a_kernel_without_some_namespaces_is_no_other_one(tmp_path: Path) -> None:
    (own(tmp_path) / "ns/time").unlink()
    require_host(tmp_path)


def test_a_proc_that_shows_processes_only_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineCannot, match="subset=pid"):
        require_host(own(tmp_path, options=",subset=pid,hidepid=ptraceable"))


def test_a_partial_proc_at_another_place_is_none_of_ours(tmp_path: Path) -> None:
    require_host(own(tmp_path, place="/srv/proc", options=",subset=pid"))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_a_call_that_a_profile_may_have_refused_is_reported_with_it(
    tmp_path: Path, code: int
) -> None:
    error = refused("bpf(2)", OSError(code, os.strerror(code)), "x", own=own(tmp_path, seccomp=2))
    assert "seccomp" in error.message
    assert error.hint == "allow bpf in the profile of the container or service"
    assert error.exit_code == 3


@pytest.mark.parametrize(("code", "seccomp"), [(errno.EINVAL, 2), (errno.EPERM, 0)])
def test_a_call_that_no_profile_refused_is_reported_without_one(
    tmp_path: Path, code: int, seccomp: int
) -> None:
    error = refused(
        "bpf(2)", OSError(code, os.strerror(code)), "x", own=own(tmp_path, seccomp=seccomp)
    )
    assert (error.message, error.hint) == (f"bpf(2): {os.strerror(code)}", "x")


@pytest.mark.parametrize("state", ["[none] integrity confidentiality", None, "none [integrity] x"])
def test_a_lower_lockdown_or_none_is_no_reason(tmp_path: Path, state: str | None) -> None:
    if state:
        (tmp_path / "lockdown").write_text(state)
    require_no_confidentiality(tmp_path / "lockdown")


def test_lockdown_for_confidentiality_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "lockdown").write_text("none integrity [confidentiality]\n")
    with pytest.raises(MachineCannot, match=r"confidentiality.*there is no way"):
        require_no_confidentiality(tmp_path / "lockdown")
