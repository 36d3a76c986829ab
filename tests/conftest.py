"""A skip is loud: with MMSCAND_NO_SKIPS set (CI does), it is a failure."""

import os

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    report: pytest.TestReport = yield
    if report.skipped and os.environ.get("MMSCAND_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although MMSCAND_NO_SKIPS is set: {report.longrepr}"
    return report
