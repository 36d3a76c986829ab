"""What a busy server's experiment found, against what is promised: pure computing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmscand_lab.kernel import LabError
from mmscand_lab.kvm import Use
from mmscand_lab.result import RESULT
from mmscand_lab.slowness import Budget
from mmscand_lab.verdict import Row

HOT_TARGET, COLD_TARGET = 0.99, 0.01


@dataclass(frozen=True, slots=True)
class Large:
    """Shares of a large process' pages that are on the fast tier at the end."""

    hot: float
    cold: float
    pages_hot: int
    passes: int


@dataclass(frozen=True, slots=True)
class DaemonRun:
    """How one run of the daemon ended."""

    exit_code: int
    errors: list[str]
    """Lines on its standard error."""
    strange_lines: int
    """Of its standard output: no JSON."""
    tracebacks: int


@dataclass(frozen=True, slots=True)
class Stays:
    """Memory that must not move."""

    pages: int
    moved: int
    """On another node than before the daemon."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, and what the daemon said of it."""

    slowness: float
    """How many times slower a core is in the guest than on the host."""
    budget: Budget
    """The shipped one, by that."""
    storm: int
    """Processes of the storm."""
    blocks_online: int
    """Memory blocks that came online halfway."""
    slow_nodes: Sequence[int]
    """After that: a node came with them."""
    slow_nodes_known: Sequence[int]
    """By the daemon's latest `topology_changed`."""
    reloaded: str
    """What `mmscand reload` said."""
    hangup_said: str
    """What the daemon printed after SIGHUP."""
    kvm_reason: str
    """Why `mmscand ps` says that the KVM machine's owner is not watched; '' if it does not."""


@dataclass(frozen=True, slots=True)
class BusyResult:
    """All figures."""

    kernel: str
    story: Story
    large: Mapping[str, Large]
    """By the size of its pages."""
    stays: Mapping[str, Stays]
    """By what it is."""
    kvm: Use
    """Of its memory by the KVM machine, while the daemon ran."""
    container_promoted: float
    """Share of the container's pages, which are all hot."""
    small_processes: int
    small_seen: int
    """Of these, with a complete pass."""
    demoted: int
    postgres_rows: int
    """That a query found at the end; as many as were made."""
    postgres_rows_made: int
    runs: Sequence[DaemonRun]
    """The daemon, and the daemon after its restart."""

    def save(self, folder: Path) -> None:
        """Write it with its verdicts, whole or not at all."""
        part = folder / f"{RESULT}.part"
        part.write_text(json.dumps(as_json(self), indent=2) + "\n", encoding="utf-8")
        part.replace(folder / RESULT)


def load(folder: Path) -> BusyResult:
    """The result in that folder; LabError when there is none."""
    try:
        found: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise LabError(f"no result in {folder}", hint="look at stderr.txt there") from None
    found = {name: found[name] for name in BusyResult.__dataclass_fields__}
    story = found["story"]
    found["story"] = Story(**{**story, "budget": Budget(**story["budget"])})
    found["kvm"] = Use(**found["kvm"])
    found["large"] = {name: Large(**each) for name, each in found["large"].items()}
    found["stays"] = {name: Stays(**each) for name, each in found["stays"].items()}
    found["runs"] = [DaemonRun(**each) for each in found["runs"]]
    return BusyResult(**found)


def as_json(result: BusyResult) -> dict[str, object]:
    """Every figure and the verdicts."""
    checks = [asdict(row) for row in rows(result) if row.ok is not None]
    return {**asdict(result), "ok": all_kept(result), "checks": checks}


def all_kept(result: BusyResult) -> bool:
    """Whether every figure with a target is as it should be."""
    return all(row.ok is not False for row in rows(result))


def rows(result: BusyResult) -> list[Row]:
    """All figures, the promises first."""
    return [
        *(row for name, each in result.large.items() for row in _large(name, each)),
        *(_still(name, each) for name, each in result.stays.items()),
        *_kvm(result),
        *_events(result),
        *(row for number, run in enumerate(result.runs, 1) for row in _ended(number, run)),
        *_known(result),
    ]


def _large(name: str, large: Large) -> list[Row]:
    return [
        Row(
            f"hot pages up, process of {name} pages",
            f"{large.hot:.3%} of {large.pages_hot}",
            f">= {HOT_TARGET:.0%}",
            large.hot >= HOT_TARGET,
        ),
        Row(
            f"cold pages up, process of {name} pages",
            f"{large.cold:.3%}",
            f"<= {COLD_TARGET:.0%}",
            large.cold <= COLD_TARGET,
        ),
    ]


def _still(name: str, stays: Stays) -> Row:
    return Row(f"pages moved, {name}", f"{stays.moved} of {stays.pages}", "0", stays.moved == 0)


def _kvm(result: BusyResult) -> list[Row]:
    used, works = result.kvm, result.kvm.pages > 0 and result.kvm.rounds > 0
    return [
        Row("KVM machine at work", f"{used.pages} pages, {used.rounds} rounds", "> 0", works),
        Row("its pages used otherwise than its seed says", str(used.wrong), "0", used.wrong == 0),
        _said("KVM machine's owner", "left alone", result.story.kvm_reason),
    ]


def _events(result: BusyResult) -> list[Row]:
    story, found, made = result.story, result.postgres_rows, result.postgres_rows_made
    blocks, nodes, known = story.blocks_online, story.slow_nodes, story.slow_nodes_known
    return [
        Row("memory blocks that came online", str(blocks), ">= 1", blocks >= 1),
        Row("slow nodes known after that", _listed(known), _listed(nodes), known == nodes),
        _said("reload", "took the change", story.reloaded),
        _said("SIGHUP", "took the change", story.hangup_said),
        Row("rows that PostgreSQL finds", str(found), str(made), found == made),
    ]


def _listed(nodes: Sequence[int]) -> str:
    return ", ".join(map(str, nodes)) or "none"


def _said(figure: str, words: str, text: str) -> Row:
    """Kept if there is a text at all."""
    return Row(figure, words if text else "nothing said", words, bool(text))


def _ended(number: int, run: DaemonRun) -> list[Row]:
    trouble = len(run.errors) + run.strange_lines
    figure = f"daemon, run {number}"
    value = f"{run.tracebacks} / {trouble}"
    clean = not run.tracebacks + trouble
    return [
        Row(f"{figure}: exit code", str(run.exit_code), "0", run.exit_code == 0),
        Row(f"{figure}: tracebacks / lines of errors", value, "0 / 0", clean),
    ]


def _known(result: BusyResult) -> list[Row]:
    story = result.story
    budget = f"{story.budget.percent:g} %, {story.budget.burst_s:g} s at first"
    passes = ", ".join(f"{each.passes} ({name})" for name, each in result.large.items())
    return [
        Row("hot pages up, container", f"{result.container_promoted:.1%}"),
        Row("small processes seen", f"{result.small_seen} of {result.small_processes}"),
        Row("processes of the storm", str(story.storm)),
        Row("passes over the large processes", passes),
        Row("pages demoted", str(result.demoted)),
        Row("emulation, times slower", f"{story.slowness:.1f}"),
        Row("CPU budget by that", budget),
    ]
