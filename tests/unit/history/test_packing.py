"""A sample comes back as it was written, and takes little room."""

import zlib

import pytest

from mmscand.control.snapshots import process_object, status_object
from mmscand.history.packing import packed, unpacked
from mmscand.history.samples import sample_of
from mmscand.observe.fields import GAUGE, fields_of
from mmscand.observe.groups import Groups
from mmscand.observe.status import DaemonStatus
from support.fake_daemon import FakeDaemon
from support.samples import sample


def test_it_comes_back() -> None:
    groups = {"b": {"promoted": 4, "saved_s": 0.25}, "a": {"failed_EBUSY": 1}}
    found = unpacked(packed(sample(groups=groups, promoted=7, hot=0)))
    assert found == sample(groups=groups, promoted=7, hot=0)


def test_all_numbers_of_the_table_are_in_it() -> None:
    daemon = FakeDaemon()
    status = status_object(daemon.status(), "1")
    groups = Groups()
    rows = [process_object(each) for each in daemon.status().processes]
    groups.take(1, rows)
    rows[0]["counters"] = {"promoted": 600, "examined": 9, "failed_EBUSY": 2}
    found = unpacked(packed(sample_of(status, groups.take(1, rows))))
    wanted = {n for n, each in fields_of(DaemonStatus).items() if each.kind == GAUGE}
    assert wanted | {"counters", "enabled", "version", "budget"} <= found["status"].keys()
    group = found["groups"]["name=^app"]
    assert group["processes"] == 2
    assert group["sums"] == {"promoted": 88, "failed_EBUSY": 2}  # of looks only the daemon's sums
    assert group["now"]["scan_period_ms"] == 400


def test_a_name_that_is_no_text_can_be_written() -> None:
    found = unpacked(packed(sample(groups={"name=\udcff": {"promoted": 1}})))
    assert list(found["groups"]) == ["name=\\xff"]


@pytest.mark.parametrize("data", [b"", b"junk", zlib.compress(b"[]"), zlib.compress(b"{}")])
def test_what_is_none_is_reported(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpacked(data)
