"""The large and the promising first, and nobody waits forever."""

from dataclasses import dataclass

from mmscand.scan.visit_order import VisitOrder


@dataclass
class Visitor:
    name: str
    due: float
    worthwhile: bool = False
    under_way: bool = False


def names(order: VisitOrder, due: list[Visitor], cost_s: float = 0.0) -> list[str]:
    found = []
    for each in order.each(due):
        found.append(each.name)
        order.served(cost_s, worthwhile=each.worthwhile)
    return found


def test_worthwhile_processes_come_first_and_among_them_the_longest_due() -> None:
    due = [Visitor("small", 1.0), Visitor("large", 3.0, True), Visitor("larger", 2.0, True)]
    assert names(VisitOrder(), due) == ["larger", "large", "small"]


def test_a_process_in_the_middle_of_an_exposure_keeps_its_turn() -> None:
    due = [Visitor("old", 1.0, True), Visitor("exposed", 2.0, True, under_way=True)]
    assert names(VisitOrder(), due) == ["exposed", "old"]


def test_a_quarter_of_the_time_is_for_small_processes_while_both_are_due() -> None:
    order, large, small = VisitOrder(), Visitor("large", 1.0, True), Visitor("small", 1.0)
    spent = {"large": 0.0, "small": 0.0}
    for _ in range(1000):
        chosen = next(order.each([large, small]))
        cost_s = 0.010 if chosen is large else 0.001
        spent[chosen.name] += cost_s
        order.served(cost_s, worthwhile=chosen.worthwhile)
    assert 0.24 <= spent["small"] / (spent["small"] + spent["large"]) <= 0.26


def test_what_was_long_ago_decides_nothing() -> None:
    order = VisitOrder()
    for _ in range(10_000):  # nobody else was due
        order.served(0.01, worthwhile=True)
    smalls = [Visitor(f"small{at}", float(at)) for at in range(1000)]
    found = names(order, [*smalls, Visitor("large", 0.0, True)], cost_s=0.001)
    assert found.index("large") < 100
