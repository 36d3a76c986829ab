"""Which scanners may use the burst."""

from dataclasses import dataclass

from mmscand.scan.urgency import Urgency


@dataclass(eq=False)
class ProcessScanner:
    due: float = 0.0
    passes: int = 0
    urgent: bool = False
    reads_soon: bool = False


def test_an_urgent_slot_is_kept_until_a_visit_finds_that_it_is_not_any_more() -> None:
    urgency, scanner = Urgency(), ProcessScanner(due=7.0, passes=3, urgent=True)
    urgency.note(scanner, starts=False)
    assert scanner in urgency
    assert urgency.due() == 7.0
    scanner.urgent = False
    urgency.note(scanner, starts=False)
    assert scanner not in urgency
    assert urgency.due() == float("inf")


def test_while_the_daemon_starts_the_first_visit_of_each_is_urgent() -> None:
    urgency, new, large = Urgency(), ProcessScanner(), ProcessScanner(urgent=True)
    for scanner in (new, large):
        urgency.note(scanner, starts=True)
        assert scanner in urgency
    urgency.settle({new, large}, starts=False)  # the start is over
    assert new not in urgency
    assert large in urgency
    new.passes = 1
    urgency.note(new, starts=True)
    assert new not in urgency


def test_slots_that_have_left_are_never_due() -> None:
    urgency, scanner, other = (
        Urgency(),
        ProcessScanner(urgent=True),
        ProcessScanner(due=5.0, urgent=True),
    )
    for each in (scanner, other):
        urgency.note(each, starts=True)
    urgency.settle({other}, starts=True)
    assert urgency.due() == 5.0
    urgency.drop(other)
    assert urgency.due() == float("inf")


def test_reads_go_on_debt_until_a_visit_finds_that_none_is_due_soon() -> None:
    urgency, scanner, other = Urgency(), ProcessScanner(due=7.0, reads_soon=True), ProcessScanner()
    for each in (scanner, other):
        urgency.note(each, starts=False)
    assert [urgency.goes_on_debt(each) for each in (scanner, other)] == [True, False]
    assert (urgency.read_due(), urgency.due()) == (7.0, float("inf"))
    urgency.settle({other}, starts=False)
    assert not urgency.goes_on_debt(scanner)
    urgency.note(scanner, starts=False)
    scanner.reads_soon = False
    urgency.note(scanner, starts=False)
    assert urgency.read_due() == float("inf")
