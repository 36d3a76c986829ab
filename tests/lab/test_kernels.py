"""Other kernels that people run: what differs by kernel. The whole guest suite has 6.12.

Each row of docs/reference/support.md is written by the kernel that it is about.
"""

from pathlib import Path

import pytest

from mmscand_lab.experiment import run_scenario
from mmscand_lab.kernels import SERIES, fetch_series
from mmscand_lab.scenario import QUIET_GUEST, scenario_named
from mmscand_lab.verdict import main_promise_kept, rows
from support.guest_suite import GUEST_SUITE, ROOT, run_guest_tests
from support.support_matrix import row_of, write_row

_LIMIT_S = 3600.0
"""Ends what hangs."""
OTHERS = [series for series in SERIES if series != "6.12"]
NOT_ON_6_1 = ["-k", "not loses_its_cold_pages and not 64k_folio"]
"""One tier: nothing is demoted to the other node. Folios of 64 KiB came with 6.8."""


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
@pytest.mark.parametrize("series", OTHERS)
def test_what_differs_by_kernel_works_on_another(series: str, tmp_path: Path) -> None:
    tests = [*GUEST_SUITE, *(NOT_ON_6_1 if series == "6.1" else [])]
    status, report = run_guest_tests(
        QUIET_GUEST,
        tests,
        tmp_path,
        _LIMIT_S,
        env={"MMSCAND_KERNELS_ONLY": "1"},
        kernel=fetch_series(series),
    )
    print(report)
    write_row(ROOT / "docs/reference/support.md", row_of(tmp_path))
    assert status == 0, report[-20_000:]


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.timeout(2 * _LIMIT_S + 60)
@pytest.mark.parametrize("series", OTHERS)
def test_the_whole_suite_on_another(series: str, tmp_path: Path) -> None:
    tests = [*GUEST_SUITE, *(NOT_ON_6_1 if series == "6.1" else [])]
    kernel = fetch_series(series)
    status, report = run_guest_tests(QUIET_GUEST, tests, tmp_path, 2 * _LIMIT_S, kernel=kernel)
    print(report)
    assert status == 0, report[-20_000:]


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S)
def test_hot_pages_are_found_beside_a_kernel_that_clears_bits_too(tmp_path: Path) -> None:
    scenario = scenario_named("damon-stat")
    result = run_scenario(scenario, tmp_path, brief=True)
    print([str(row) for row in rows(scenario, result)])
    assert result["kernel"].startswith("7.")
    assert main_promise_kept(scenario, result)
    assert result["cold_promoted_share"] <= scenario.cold_target
