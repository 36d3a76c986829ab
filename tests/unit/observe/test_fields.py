"""The table of fields: what is shown is described, and described once."""

from dataclasses import fields

import pytest

from mmscand.observe.counters import COUNTERS
from mmscand.observe.events import PassEnd
from mmscand.observe.fields import COUNTER, GAUGE, TEXT, fields_of
from mmscand.observe.status import BudgetStatus, DaemonStatus, ProcessStatus

NOT_SHOWN = {"process", "processes", "left_alone"}


@pytest.mark.parametrize("cls", [ProcessStatus, BudgetStatus, DaemonStatus])
def test_each_field_of_a_snapshot_has_kind_help_and_type(cls: type) -> None:
    described = fields_of(cls)
    assert {each.name for each in fields(cls)} - NOT_SHOWN == set(described)
    for each in described.values():
        assert each.kind in (GAUGE, COUNTER, TEXT)
        assert each.help.endswith((".", "null."))
        assert each.type is not None


def test_a_count_of_a_pass_is_a_counter() -> None:
    names = [each.name for each in fields(PassEnd)]
    counts = names[names.index("examined") :]
    assert list(fields_of(PassEnd)) == counts
    assert set(counts) < set(COUNTERS)
    assert {each.kind for each in COUNTERS.values()} == {COUNTER}
    assert COUNTERS["discarded"].unit == "tables"
    assert COUNTERS["idle"].name == "idle"
