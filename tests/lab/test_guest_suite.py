"""Boots the two-tier guest once and runs `tests/guest` in it."""

from pathlib import Path

import pytest

from mmscand_lab.scenario import QUIET_GUEST
from support.guest_suite import run_guest_tests

_LIMIT_S = 3600.0
"""Ends what hangs: ten times what it takes in emulation on two quiet cores."""


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
def test_everything_that_needs_two_tiers(tmp_path: Path) -> None:
    status, report = run_guest_tests(QUIET_GUEST, ["tests/guest"], tmp_path, _LIMIT_S)
    print(report)
    assert status == 0, report[-20_000:]
