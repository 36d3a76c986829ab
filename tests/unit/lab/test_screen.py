"""What a person sees, without a terminal."""

import io
from collections.abc import Callable

import pytest

pytest.importorskip("rich")

from rich.console import Console

from mmscand_lab.result import Result
from mmscand_lab.samples import Sample
from mmscand_lab.scenario import SCENARIOS
from mmscand_lab.screen import (
    progress_shown,
    scenario_table,
    verdict_table,
)
from mmscand_lab.verdict import rows

MakeResult = Callable[..., Result]


def console(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=80, force_terminal=terminal), out


def test_plain_progress_is_a_line_a_state_and_a_tenth() -> None:
    screen, out = console()
    with progress_shown(screen) as progress:
        progress("booting", None)
        for hot in (0.0, 0.05, 0.5, 0.55, 1.0, 1.0):
            progress("watching", Sample(1.0, "promote", hot, 0.0))
    said = [line.split(" s  ", 1)[1] for line in out.getvalue().splitlines()]
    assert [line.split(":")[0] for line in said] == [
        "booting",
        "watching",
        "in the top tier",
        "in the top tier",
    ]
    assert "100.00% of the hot pages, 0.00% of the cold" in said[-1]


def test_live_progress_shows_state_and_both_bars() -> None:
    screen, out = console(terminal=True)
    with progress_shown(screen) as progress:
        progress("watching", Sample(1.0, "promote", 0.5, 0.25))
    for part in ("watching", "50.000 %", "25.000 %"):
        assert part in out.getvalue()


def test_tables_fit_80_columns_without_a_cut(make_result: MakeResult) -> None:
    screen, out = console()
    screen.print(verdict_table("random", rows(SCENARIOS["random"], make_result(thp_splits=2))))
    screen.print(scenario_table(list(SCENARIOS.values())))
    text = out.getvalue()
    assert "…" not in text
    assert text.count("short │") == 1
    assert "1.50 (2.00 -> 3.00 M/s)" in text
    assert all(name in text for name in SCENARIOS)
