"""A skip is loud: with MMSCAND_NO_SKIPS set (CI does), it is a failure."""

import os
import signal

import pytest

# nohup(1) ignores the one, and a shell's background job the other. Programs that a test starts
# inherit that: a shell cannot trap them then, and Ctrl-C does nothing.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    report: pytest.TestReport = yield
    if report.skipped and os.environ.get("MMSCAND_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although MMSCAND_NO_SKIPS is set: {report.longrepr}"
    return report
