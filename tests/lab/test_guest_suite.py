"""Boots the two-tier guest once and runs `tests/guest` in it."""

from pathlib import Path

import pytest

from mmscand_lab.scenario import QUIET_GUEST
from support.guest_suite import GUEST_SUITE, ROOT, run_guest_tests
from support.support_matrix import row_of, write_row

_LIMIT_S = 3600.0
"""Ends what hangs: ten times what it takes in emulation on two quiet cores."""


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
def test_everything_that_needs_two_tiers(tmp_path: Path) -> None:
    status, report = run_guest_tests(QUIET_GUEST, GUEST_SUITE, tmp_path, _LIMIT_S)
    print(report)
    write_row(ROOT / "docs/reference/support.md", row_of(tmp_path))
    assert status == 0, report[-20_000:]
