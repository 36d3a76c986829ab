"""Rows of processes, cgroups, mappings and events, from the daemon's answers."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmscand.cli.process_table import COLUMNS
from mmscand.cli.quantities import short_size
from mmscand.reasons import HOT
from mmscand.shown import shown
from mmscand.top.tables import Column, Row, Table

Answer = Mapping[str, Any]
_SIZES = (Column("FAST", 6), Column("SLOW", 6), Column("HOT SLOW", 8))
PROCESSES = (
    Column("PID", 7),
    Column("NAME", 13, right=False),
    *_SIZES,
    Column("UP", 6),
    Column("DOWN", 6),
    Column("SAVED", 6),
    Column("COST", 6),
    Column("STATE", 7, right=False),
)
CGROUPS = (*_SIZES, Column("PROCESSES", 9), Column("CGROUP", 30, right=False))
MAPPINGS = (*_SIZES, Column("HEAT", 24, right=False), Column("MAPPING", 30, right=False))
EVENTS = (Column("TIME", 8, right=False), Column("EVENT", 60, right=False))
_SLOW_GLYPHS, _FAST_GLYPHS, _UNKNOWN = ".:+x#", "_▁▃▅█", "?"
_STRIP = 24


def processes(answer: Answer) -> Table:
    """Watched processes, and those that are left alone with the reason in place of a state."""
    rows = [_process(each) for each in answer["processes"]]
    rows += [_left_alone(each) for each in answer["left_alone"]]
    return Table(PROCESSES, rows)


def _process(each: Answer) -> Row:
    counters = each["counters"]
    up, down = counters.get("promoted", 0), counters.get("demoted", 0)
    sizes = each["fast_pages"], each["slow_pages"], each["hot_slow_pages"], up, down
    return Row(
        each["pid"],
        tuple(COLUMNS[column.heading](each) for column in PROCESSES),
        (
            float(each["pid"]),
            str(each["name"]),
            *(float(size or 0) for size in sizes),
            each["saved_s"],
            each["spent_s"],
            str(each["state"]),
        ),
    )


def _left_alone(each: Answer) -> Row:
    name, nothing = shown(str(each["name"])), ("",) * 7
    cells = (str(each["pid"]), name, *nothing, f"not watched: {shown(str(each['why']))}")
    return Row(each["pid"], cells, (float(each["pid"]), name, *((-1.0,) * 7), "not watched"))


def cgroups(rates: Answer, processes: Answer) -> Table:
    """Sums over the processes of each cgroup."""
    known = {each["pid"]: each for each in processes["processes"]}
    sums: dict[str, list[float]] = {}
    for each in rates["processes"]:
        process = known.get(each["pid"])
        if process is not None:
            total = sums.setdefault(each["cgroup"] or "(none)", [0.0, 0.0, 0.0, 0.0])
            for at, name in enumerate(("fast_pages", "slow_pages", "hot_slow_pages")):
                total[at] += process[name] or 0
            total[3] += 1
    rows = [
        Row(at, (*map(short_size, total[:3]), f"{total[3]:.0f}", shown(name)), (*total, name))
        for at, (name, total) in enumerate(sums.items())
    ]
    return Table(CGROUPS, rows)


def mappings(why: Answer, heat: Answer) -> Table:
    """Mappings of one process, each with a strip of its heat by address."""
    strips = _strips(heat)
    rows = []
    for at, each in enumerate(why["mappings"]):
        slow = each["slow"]
        sizes = each["fast"], sum(slow.values()), sum(slow.get(reason, 0) for reason in HOT)
        name = shown(each["name"] or f"memory at {each['start']:#x}")
        strip = strips.get(each["start"], "")
        if each["rule"]:
            strip = f"left out: {each['rule']}"
        cells = (*map(short_size, sizes), strip, name)
        rows.append(Row(at, cells, (*map(float, sizes), strip, name)))
    return Table(MAPPINGS, rows)


def _strips(heat: Answer) -> dict[int, str]:
    """By the first address of a mapping: a letter for each piece of it, at most _STRIP."""
    pieces: dict[int, list[Answer]] = {}
    for piece in heat["pieces"]:
        if piece["mapping"] is not None:
            start = heat["mappings"][piece["mapping"]]["start"]
            pieces.setdefault(start, []).append(piece)
    hottest = max((piece["heat"] or 0.0 for piece in heat["pieces"]), default=0.0)
    return {start: _strip(mine, hottest) for start, mine in pieces.items()}


def _strip(pieces: Sequence[Answer], hottest: float) -> str:
    step = max(1.0, len(pieces) / _STRIP)
    firsts = [int(at * step) for at in range(min(_STRIP, len(pieces)))]
    return "".join(
        _letter(max(pieces[a:b], key=lambda piece: piece["heat"] or 0.0), hottest)
        for a, b in zip(firsts, [*firsts[1:], len(pieces)], strict=True)
    )


def _letter(piece: Answer, hottest: float) -> str:
    """How hot on a logarithmic scale, each step a factor of eight below the hottest."""
    if piece["heat"] is None:
        return _UNKNOWN
    glyphs = _FAST_GLYPHS if piece["fast_pages"] > piece["slow_pages"] else _SLOW_GLYPHS
    level, heat = len(glyphs) - 1, piece["heat"]
    while level and heat < hottest / 8 ** (len(glyphs) - level):
        level -= 1
    return glyphs[level]


def events(found: Iterable[tuple[float, str]]) -> Table:
    """Unix times and words, the latest first."""
    rows = [
        Row(at, (time.strftime("%H:%M:%S", time.localtime(when)), shown(words)), (when, words))
        for at, (when, words) in enumerate(found)
    ]
    return Table(EVENTS, rows[::-1])
