"""Boots the two-tier guest once and runs `tests/guest` in it."""

import sys
from pathlib import Path

import pytest

from mmscand.lab.guest import STDERR, STDOUT, run_in_guest
from mmscand.lab.kernel import fetch_kernel
from mmscand.lab.scenario import QUIET_GUEST

ROOT = Path(__file__).resolve().parents[2]
_LIMIT_S = 1500.0
"""Five times what it takes in emulation on two quiet cores."""


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
def test_everything_that_needs_two_tiers(tmp_path: Path) -> None:
    # Both plugins would write to the checkout, which is read-only there.
    plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    arguments = ["-m", "pytest", "-v", *plugins, "tests/guest"]
    status = run_in_guest(
        [sys.executable, *arguments],
        spec=QUIET_GUEST,
        kernel=fetch_kernel(),
        results=tmp_path,
        timeout_s=_LIMIT_S,
        cwd=ROOT,
        env={"MMSCAND_NO_SKIPS": "1"},
    )
    report = (tmp_path / STDOUT).read_text() + (tmp_path / STDERR).read_text()
    print(report)
    assert status == 0, report[-20_000:]
