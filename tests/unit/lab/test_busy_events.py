"""What a daemon prints, followed while it prints."""

import json
from pathlib import Path

from mmscand_lab.busy_events import Events


def line(event: str, pid: int = 7, **fields: object) -> bytes:
    return json.dumps({"event": event, "process": {"pid": pid}, **fields}).encode() + b"\n"


def test_events_are_counted_as_they_come_and_half_a_line_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    end = line("pass_end", complete=True)
    path.write_bytes(end + line("pass_end", complete=False) + end[:9])
    events = Events(path)
    events.read()
    assert (events.passes[7], events.kinds["pass_end"]) == (1, 2)
    with path.open("ab") as file:
        file.write(end[9:] + line("moved", 9, promoted=3, demoted=0))
        file.write(line("moved", 9, promoted=0, demoted=2) + line("note", text="reloaded"))
    events.read()
    assert (events.passes[7], events.demoted, events.notes) == (2, 2, ["reloaded"])
    assert events.not_json == 0


def test_what_is_no_event_is_counted_and_nothing_else_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    odd = json.dumps({"event": "note", "text": "a\x85b\u2028c"}, ensure_ascii=False)
    path.write_bytes(odd.encode() + b"\nTraceback (most recent call last):\n[]\n{}\n")
    events = Events(path)
    events.read()
    assert events.not_json == 3
    assert events.notes == ["a\x85b\u2028c"]


def test_processes_that_are_left_alone_for_now_are_known(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = Events(path)
    for effort, stopped in (("stopped", {7}), ("full", set())):
        with path.open("ab") as file:
            file.write(line("effort_changed", effort=effort))
        events.read()
        assert events.stopped == stopped


def test_the_latest_change_of_nodes_is_known(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(line("topology_changed", fast=[0], slow=s) for s in ([1], [2, 1])))
    events = Events(path)
    events.read()
    assert (events.slow_nodes, events.not_json) == ([1, 2], 0)
