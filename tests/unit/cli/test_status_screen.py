"""The screens of `status` and `ps`: 80 columns, 24 lines."""

from dataclasses import replace

import pytest

from mmscand.cli.process_table import COLUMNS, process_table
from mmscand.cli.status_screen import screen
from mmscand.control.snapshots import process_object, status_object
from mmscand.reasons import HOT
from mmscand.top.head import head
from support.fake_daemon import NOW, FakeDaemon, watched


def test_a_status_fits_a_screen_and_answers_the_questions() -> None:
    lines = screen(status_object(FakeDaemon().status(), "0.1"), NOW)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("mmscand 0.1, pid ")
    assert "on for 2 d 2 h, last pass 0.4 s ago" in lines[0]
    text = " ".join(" ".join(lines).split())
    for words in (
        "health nothing is wrong",
        "fast tier 2.5 MiB of 4.0 MiB used, 512 KiB page cache, node 0",
        "2.0 MiB promoted, 1.0 MiB demoted in the last minute; pages that did not move: 3 EBUSY",
        "1.2 s saved for 0.1 s spent in the last minute; 93 % of promoted pages used again",
        "91 % of accesses (between 89 % and 93 %)",
        "0.97 % of a core, 1.00 % allowed (0.00 % earned)",
        "2 watched: 1 slowed as promoting does not pay; 2 left alone",
        "12.5 MiB: 10.2 MiB no room, 2.3 MiB would not move; the fast tier has pages from 40 "
        "accesses/s on",
        "0.5 % of the last 10 s some task waited for memory, 0.1 % all",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("changes", "state", "short"),
    [
        ({}, "on", "on"),
        ({"dry_run": True}, "dry run", "DRY RUN"),
        ({"dry_run": True, "enabled": False}, "off", "OFF"),
    ],
)
def test_the_first_line_says_whether_anything_is_moved(
    changes: dict[str, bool], state: str, short: str
) -> None:
    status = status_object(replace(FakeDaemon().status(), **changes), "0.1")
    assert f": {state} for 2 d 2 h, " in screen(status, NOW)[0]
    assert head(status)[-1].startswith(f"{short}  ")


def test_the_longest_values_still_fit() -> None:
    many = {f"failed_{name}": 123_456_789 for name in ("EBUSY", "ENOMEM", "EAGAIN", "ELSEWHERE")}
    status = replace(
        FakeDaemon().status(),
        minute={"promoted": 1 << 40, "demoted": 1 << 40, **many},
        slow_by_reason=dict.fromkeys(HOT, 1 << 40),
        states=dict.fromkeys(("watched", "new", "idle", "waits", "slowed", "stopped"), 12345),
        trouble="thread mmscand-scan has been stuck for 12345 s",
        enabled=False,
    )
    lines = screen(status_object(status, "0.1.0"), NOW)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_a_daemon_without_threads_has_a_screen() -> None:
    empty = replace(FakeDaemon().status(), running=False, budget=None, tier_pages={}, pressure={})
    text = "\n".join(screen(status_object(empty, "1"), NOW))
    assert "nothing runs" in text
    assert "not counted by this kernel" in text


def test_ps_fits_the_terminal_and_has_the_rule_where_there_is_room() -> None:
    rows = [process_object(watched(7)), process_object(watched(4_194_303, "a-name-that-is-15"))]
    narrow = process_table(rows, 80)
    assert max(map(len, narrow)) <= 80
    assert "RULE" not in narrow[0]
    assert narrow[1].split()[:9] == [
        *("7", "app", "4.0M", "16.0M", "1.2M", "2.0M", "0", "0.2s", "1.5s")
    ]
    wide = process_table(rows, 100)
    assert wide[1].endswith("slowed  name=^app")
    assert process_table(rows, None)[0].split() == " ".join(COLUMNS).split()


def test_a_process_without_rates_has_dashes() -> None:
    row = process_object(replace(watched(7), hot_slow_pages=None, fast_pages=None))
    assert process_table([row], 80)[1].split()[2:5] == ["-", "16.0M", "-"]
