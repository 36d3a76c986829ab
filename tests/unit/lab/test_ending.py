"""How a program of the lab ends."""

import pytest

from mmscand.errors import MachineCannot
from mmscand_lab.ending import exit_status


def fails(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (MachineCannot("one tier only", hint="add a node"), "one tier only: add a node", 3),
        (FileNotFoundError(2, "No such file", "x"), "[Errno 2] No such file: 'x'", 1),
    ],
)
def test_a_failure_is_one_line_and_its_exit_status(
    error: Exception, line: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status("workload", lambda: fails(error)) == status
    assert capsys.readouterr() == ("", f"workload: {line}\n")


def test_success_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status("workload", lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(KeyError):
        exit_status("workload", lambda: fails(KeyError("bug")))
