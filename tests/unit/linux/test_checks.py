"""Who else uses the same bits, and what the operator is reported to expect."""

from pathlib import Path

import pytest

from mmscand.linux.checks import Check, guests_and_devices, other_agents
from mmscand.linux.procfs import Procfs
from mmscand.linux.unseen_use import KVM


def reported(proc: Path) -> dict[str, Check]:
    return {check.name: check for check in other_agents(proc)}


def proc_with(folder: Path, mode: str, *names: str) -> Path:
    (folder / "sys/kernel").mkdir(parents=True)
    (folder / "sys/kernel/numa_balancing").write_text(mode + "\n")
    for number, name in enumerate(names, start=1):
        (folder / str(number)).mkdir()
        (folder / str(number) / "comm").write_text(name + "\n")
    return folder


def test_where_nobody_else_is_there_is_nothing_to_expect(tmp_path: Path) -> None:
    checks = reported(proc_with(tmp_path, "0", "systemd", "kswapd0"))
    for name in ("NUMA balancing", "DAMON"):
        assert checks[name].ok
        assert checks[name].hint == ""


@pytest.mark.parametrize(
    ("mode", "ok", "expect"),
    [
        ("1", True, "moves pages to the CPUs"),
        (
            "2",
            False,
            "promotes too, in the application's own time: sysctl kernel.numa_balancing=0 ",
        ),
        ("3", False, "sysctl kernel.numa_balancing=1 ends it"),
    ],
)
def test_each_mode_of_numa_balancing_has_its_own_words(
    tmp_path: Path, mode: str, ok: bool, expect: str
) -> None:
    check = reported(proc_with(tmp_path, mode))["NUMA balancing"]
    assert (check.ok, check.needed) == (ok, False)
    assert expect in check.hint


def test_damon_stat_is_distinguished_from_other_damon(tmp_path: Path) -> None:
    """Debian's kernels of 7.x start it at boot: 'not ok' forever would say nothing."""
    proc = proc_with(tmp_path / "proc", "0", "kdamond.0", "systemd", "kdamond.1")
    stat = tmp_path / "damon_stat"
    stat.mkdir()
    (stat / "enabled").write_text("Y\n")
    (stat / "kdamond_pid").write_text("1\n")
    reported = {check.name: check for check in other_agents(proc, stat)}
    assert reported["DAMON_STAT"].ok
    for words in ("kdamond 1 ", "1000 regions", f"echo N > {stat}/enabled"):
        assert words in reported["DAMON_STAT"].detail
    assert (reported["DAMON"].ok, reported["DAMON"].detail) == (False, "kdamond runs, 1 in all")
    (proc / "3/comm").write_text("sh\n")
    reported = {check.name: check for check in other_agents(proc, stat)}
    assert (reported["DAMON"].ok, reported["DAMON_STAT"].ok) == (True, True)
    (stat / "enabled").write_text("N\n")
    assert "DAMON_STAT" not in {check.name for check in other_agents(proc, stat)}


def test_kdamonds_are_counted(tmp_path: Path) -> None:
    check = reported(proc_with(tmp_path, "0", "kdamond.0", "kdamond.1"))["DAMON"]
    assert not check.ok
    assert "2 in all" in check.detail
    assert "colder" in check.hint


def test_owners_of_kvm_machines_are_named(tmp_path: Path) -> None:
    assert guests_and_devices(Procfs(tmp_path)).hint == ""
    numbers = " ".join(map(str, range(10, 60)))
    for pid, name, target in ((20, "qemu", "anon_inode:kvm-vm"), (30, "sh", "/dev/null")):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "fd/3").symlink_to(target)
        (folder / "stat").write_text(f"{pid} ({name}) S 1 2 3 4 5 0 {numbers}\n")
        for file in ("maps", "status"):
            (folder / file).write_text("")
    check = guests_and_devices(Procfs(tmp_path))
    assert check.detail == f"left alone: qemu[20]: {KVM}"
    assert "unseen_use" in check.hint
