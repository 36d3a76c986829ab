"""Which slots may use the burst."""

from dataclasses import dataclass

from mmscand.scan.urgency import Urgency


@dataclass(eq=False)
class Slot:
    due: float = 0.0
    passes: int = 0
    urgent: bool = False


def test_an_urgent_slot_is_kept_until_a_visit_finds_that_it_is_not_any_more() -> None:
    urgency, slot = Urgency(), Slot(due=7.0, passes=3, urgent=True)
    urgency.note(slot, starts=False)
    assert slot in urgency
    assert urgency.due() == 7.0
    slot.urgent = False
    urgency.note(slot, starts=False)
    assert slot not in urgency
    assert urgency.due() == float("inf")


def test_while_the_daemon_starts_the_first_visit_of_each_is_urgent() -> None:
    urgency, new, large = Urgency(), Slot(), Slot(urgent=True)
    for slot in (new, large):
        urgency.note(slot, starts=True)
        assert slot in urgency
    urgency.settle({new, large}, starts=False)  # the start is over
    assert new not in urgency
    assert large in urgency
    new.passes = 1
    urgency.note(new, starts=True)
    assert new not in urgency


def test_slots_that_have_left_are_never_due() -> None:
    urgency, slot, other = Urgency(), Slot(urgent=True), Slot(due=5.0, urgent=True)
    for each in (slot, other):
        urgency.note(each, starts=True)
    urgency.settle({other}, starts=True)
    assert urgency.due() == 5.0
    urgency.drop(other)
    assert urgency.due() == float("inf")
