"""The contract suite on other kernels that people run; the guest suite has 6.12."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmscand_lab.kernels import SERIES, fetch_series
from mmscand_lab.scenario import QUIET_GUEST
from support.guest_suite import run_guest_tests

_LIMIT_S = 3600.0
"""Ends what hangs."""
# Debian's 7.x runs DAMON over all memory, which clears Accessed bits too: the suite is exact.
_WITHOUT_DAMON = replace(
    QUIET_GUEST, kernel_args=(*QUIET_GUEST.kernel_args, "damon_stat.enabled=N")
)


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
@pytest.mark.parametrize("series", [series for series in SERIES if series != "6.12"])
def test_the_contract_holds_on_another_kernel(series: str, tmp_path: Path) -> None:
    kernel = fetch_series(series)
    tests = ["tests/guest/test_1_contract.py"]
    if series == "6.1":  # its nodes are one tier, and it demotes nothing to the other
        tests += ["-k", "not loses_its_cold_pages"]
    status, report = run_guest_tests(_WITHOUT_DAMON, tests, tmp_path, _LIMIT_S, kernel=kernel)
    print(report)
    assert status == 0, report[-20_000:]
