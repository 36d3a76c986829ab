"""The lines of a dry run about a process."""

from dataclasses import fields

from mmscand.cli.dry_run import DryRunReport
from mmscand.model import Process
from mmscand.observe.events import PassEnd, Planned, ProcessLeft

APP = Process(7, 70, "app")


def pass_end(slow: int, accessed: int, number: int = 1) -> PassEnd:
    counts = dict.fromkeys([field.name for field in fields(PassEnd)][4:], 0)
    return PassEnd(APP, number, True, 0.1, **{**counts, "slow": slow, "accessed": accessed})


def test_what_would_be_promoted_is_said_once_and_when_it_changes() -> None:
    said: list[str] = []
    report = DryRunReport(said.append, clears=False)
    report(pass_end(65_536, 5888))
    assert said == [
        "app[7]: dry run: up to 23 MiB would be promoted of 256 MiB on the slow tier (8 %): "
        "accessed since they were mapped or aged last, as this dry run clears no bits "
        "(--clear-bits)"
    ]
    report(pass_end(65_536, 6000, 2))
    assert len(said) == 1
    report(pass_end(65_536, 12_000, 3))
    assert len(said) == 2
    report(ProcessLeft(APP, 3, "exited"))
    report(pass_end(65_536, 12_000))
    assert len(said) == 3


def test_a_process_without_slow_memory_is_no_news() -> None:
    said: list[str] = []
    DryRunReport(said.append, clears=False)(pass_end(0, 0))
    assert said == []


def test_where_bits_are_cleared_the_plan_is_said_and_no_upper_bound() -> None:
    said: list[str] = []
    report = DryRunReport(said.append, clears=True)
    report(pass_end(65_536, 5888))
    report(Planned(APP, 0, 0, None, None, 0.0, 0.0, 0.0))
    report(Planned(APP, 5888, 512, 4.25, 0.01, 25_000.0, 2.5, 7.936))
    report(Planned(APP, 5900, 0, 4.25, None, 25_000.0, 2.5, 7.3))
    assert said == [
        "app[7]: dry run: nothing is to be moved",
        "app[7]: dry run: the plan is to promote 23.0 MiB of 4.25 accesses a second and page or "
        "more and to demote 2.0 MiB of 0.01 accesses a second and page or less; that takes 7.94 "
        "ms, and saves 2.5 ms a second or more",
    ]
