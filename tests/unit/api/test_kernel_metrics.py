"""The kernel's counters: from files as they are, and from files that cannot be read."""

from pathlib import Path

import pytest

from mmscand.api.kernel_metrics import KernelCounters


def values(root: Path) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *each.labels.values()): each.value
        for family in KernelCounters(root)()
        for each in family.samples
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for node, moved in ((0, 5), (1, 7)):
        folder = tmp_path / f"sys/devices/system/node/node{node}"
        folder.mkdir(parents=True)
        text = f"nr_free_pages 1\npgpromote_success {moved}\npgdemote_kswapd 2\nodd\n"
        (folder / "vmstat").write_text(text)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("numa_hint_faults 11\npgmigrate_fail 3\n")
    return tmp_path


def test_they_are_by_node_and_named_as_ours(root: Path) -> None:
    found = values(root)
    moved = "mmscand_kernel_pages_moved_total"
    assert found[moved, "promoted", "numa_balancing", "1"] == 7
    assert found[moved, "demoted", "kswapd", "0"] == 2
    assert found[("mmscand_kernel_numa_hint_faults_total",)] == 11
    assert ("mmscand_kernel_pgmigrate_success_total",) not in found  # this kernel has none


def test_what_is_not_there_or_not_allowed_is_reported(root: Path) -> None:
    assert {source[1]: n for source, n in values(root).items() if "readable" in source[0]} == {
        "node_vmstat": 1,
        "vmstat": 1,
        "damon_stat": 0,
        "damon_sysfs": 0,
    }
    folder = root / "sys/module/damon_stat/parameters"
    folder.mkdir(parents=True)
    (folder / "estimated_memory_bandwidth").write_text("4096\n")
    found = values(root)
    assert found["mmscand_kernel_readable", "damon_stat"] == 1
    assert found[("mmscand_kernel_damon_memory_bandwidth_bytes_per_second",)] == 4096


def test_without_any_of_them_each_family_is_there_with_its_help(tmp_path: Path) -> None:
    families = list(KernelCounters(tmp_path)())
    assert all(each.documentation.endswith((".", "vmstat.")) for each in families)
    assert [each.name for each in families if each.samples] == ["mmscand_kernel_readable"]
