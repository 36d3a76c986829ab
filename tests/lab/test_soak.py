"""What takes long, in a guest: script/soak says for how many minutes."""

import os
from pathlib import Path

import pytest

from mmscand_lab.scenario import QUIET_GUEST
from support.guest_suite import run_guest_tests

MINUTES = os.environ.get("MMSCAND_SOAK_MINUTES", "3")
_LIMIT_S = 60 * float(MINUTES) + 1200
"""The churn of the issue's table takes a minute each way; the rest is boot and room."""


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.timeout(_LIMIT_S + 60)
def test_churn_and_soak(tmp_path: Path) -> None:
    status, report = run_guest_tests(
        QUIET_GUEST,
        ["-s", "-m", "soak", "tests/guest"],
        tmp_path,
        _LIMIT_S,
        {"MMSCAND_SOAK_MINUTES": MINUTES},
    )
    print(report)
    assert status == 0, report[-20_000:]
