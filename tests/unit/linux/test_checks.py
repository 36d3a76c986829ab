"""Who else uses the same bits, and what the operator is told to expect."""

from pathlib import Path

import pytest

from mmscand.linux.checks import Check, other_agents


def told(proc: Path) -> dict[str, Check]:
    return {check.name: check for check in other_agents(proc)}


def proc_with(folder: Path, mode: str, *names: str) -> Path:
    (folder / "sys/kernel").mkdir(parents=True)
    (folder / "sys/kernel/numa_balancing").write_text(mode + "\n")
    for number, name in enumerate(names, start=1):
        (folder / str(number)).mkdir()
        (folder / str(number) / "comm").write_text(name + "\n")
    return folder


def test_where_nobody_else_is_there_is_nothing_to_expect(tmp_path: Path) -> None:
    checks = told(proc_with(tmp_path, "0", "systemd", "kswapd0"))
    for name in ("NUMA balancing", "DAMON"):
        assert checks[name].ok
        assert checks[name].hint == ""


@pytest.mark.parametrize(("mode", "ok", "expect"), [("1", True, "moves"), ("2", False, "promotes")])
def test_each_mode_of_numa_balancing_has_its_own_words(
    tmp_path: Path, mode: str, ok: bool, expect: str
) -> None:
    check = told(proc_with(tmp_path, mode))["NUMA balancing"]
    assert (check.ok, check.needed) == (ok, False)
    assert expect in check.hint


def test_kdamonds_are_counted(tmp_path: Path) -> None:
    check = told(proc_with(tmp_path, "0", "kdamond.0", "kdamond.1"))["DAMON"]
    assert not check.ok
    assert "2 in all" in check.detail
    assert "colder" in check.hint
