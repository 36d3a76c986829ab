import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mmscand.cli.app import main
from mmscand.errors import UsageError
from mmscand.model import BoolArray
from mmscand.record import replay as replay_module
from mmscand.record.file import Recording, RecordingWriter, _packed
from mmscand.record.replay import Pages, Replayed, _warm_up, replay
from mmscand.record.sizes import kinds
from mmscand.record.tables import (
    ACCESSED,
    FORMAT,
    HEAD,
    LAYOUT,
    MOVES,
    NODES,
    PASS,
    VERSION,
    VMAS,
    ProcessPass,
    one_row,
    pack,
)
from mmscand.sim.world import World
from mmscand.sizing import Curve

ROW = 2 << 20


def seen(
    number: int,
    accessed: BoolArray,
    *,
    pid: int = 7,
    generation: int = 1,
    present: BoolArray | None = None,
    slow: BoolArray | None = None,
    huge: bool = False,
    left: bool = False,
) -> ProcessPass:
    """One pass over a process with memory from 2 MiB on; arrays of (rows, slots a row)."""
    layout = np.zeros(0 if present is None else len(present), dtype=LAYOUT)
    if present is not None:
        layout["address"] = ROW * np.arange(1, len(present) + 1)
        layout["pages_per_slot"] = 512 if huge else 1
        layout["present"] = pack(present)
        layout["slow"] = pack(present if slow is None else slow)
    rows = np.flatnonzero(accessed.any(axis=1))
    table = np.zeros(len(rows), dtype=ACCESSED)
    table["address"], table["accessed"] = ROW * (rows + 1), pack(accessed)[rows]
    columns = {"pass": number, "pid": pid, "generation": generation, "left": left}
    about = one_row(PASS, at_ns=number * 10**9, **columns)
    return ProcessPass(about, np.empty(0, dtype=VMAS), layout, table, np.empty(0, dtype=MOVES))


def recording(path: Path, passes: list[ProcessPass]) -> Recording:
    head = one_row(HEAD, format=FORMAT, version=VERSION, period_ms=1000)
    nodes = one_row(NODES, node=1, slow=True, pages=1)
    with RecordingWriter(path, head, nodes, 1 << 30) as writer:
        for each in passes:
            writer.write(each)
    return Recording(path)


def bits(rng: np.random.Generator, rates: np.ndarray) -> BoolArray:
    return (rng.random(rates.shape) < -np.expm1(-rates)).reshape(-1, 512)


def zipf(tmp_path: Path, rounds: int = 60) -> tuple[Recording, BoolArray]:
    """Accesses by Zipf's law on 4096 pages, hot pages scattered."""
    rng = np.random.default_rng(3)
    rates = 1 / np.arange(1, 4097) ** 0.99
    rates = rng.permutation(rates * 1500 / rates.sum())
    everything = np.ones((8, 512), dtype=np.bool_)
    accessed = [bits(rng, rates) for _ in range(rounds)]
    passes = [
        seen(n + 1, each, present=everything if n == 0 else None) for n, each in enumerate(accessed)
    ]
    return recording(tmp_path / "zipf", passes), np.array(accessed).reshape(rounds, -1)


def test_first_touch_and_the_best_static_placement_are_what_they_are(tmp_path: Path) -> None:
    tape, accessed = zipf(tmp_path)
    found = replay(tape, "nothing", (1, 8))
    total = accessed.sum()
    best = np.sort(accessed.sum(axis=0))[::-1][: 4096 // 9].sum() / total
    assert (found.pages, found.fast_pages, found.accesses) == (4096, 455, total)
    assert found.hit_share["best-static"] == pytest.approx(best)
    assert found.hit_share["nothing"] == pytest.approx(accessed[:, :455].sum() / total)
    assert found.hit_share["as-recorded"] == 0
    assert (found.promoted, found.demoted, found.decisions) == (0, 0, 60)


def test_capacity_comes_near_the_best_static_placement(tmp_path: Path) -> None:
    tape, _ = zipf(tmp_path, rounds=120)
    found = replay(tape, "capacity", (1, 8))
    share = found.hit_share
    assert share["nothing"] < 0.2 < share["capacity"] <= share["best-static"] + 1e-9
    late = [value for value in found.by_pass["capacity"][60:] if value is not None]
    assert np.mean(late) > 0.9 * share["best-static"]
    assert min(found.promoted, found.demoted) > 0
    assert 0 < found.warm_up < 60
    warming, steady = found.warming["capacity"], found.steady["capacity"]
    assert warming is not None
    assert steady is not None
    assert warming < share["capacity"] < steady


def test_new_pages_take_room_that_others_left_and_are_forgotten(tmp_path: Path) -> None:
    everything, nothing = np.ones((2, 512), dtype=np.bool_), np.zeros((2, 512), dtype=np.bool_)
    passes = [
        seen(1, nothing, present=everything),
        seen(1, nothing, pid=8, present=everything),
        seen(2, everything),
        seen(2, everything, pid=8),
        seen(3, nothing, left=True),
        seen(3, everything, pid=8),
        seen(4, everything, pid=8, generation=2, present=everything),
    ]
    found = replay(recording(tmp_path / "r", passes), "nothing", (1, 1))
    assert (found.pages, found.fast_pages) == (2048, 1024)
    # The first process has all of the fast tier; after its exit only what comes later gets it.
    assert found.by_pass["nothing"] == [None, 0.5, 0.0, 1.0]


def test_a_huge_page_is_its_512_pages_and_may_be_split_later(tmp_path: Path) -> None:
    huge = np.ones((2, 1), dtype=np.bool_)
    small = np.ones((2, 512), dtype=np.bool_)
    one = np.zeros((2, 512), dtype=np.bool_)
    one[0, 3] = True
    passes = [
        seen(1, ~huge, present=huge, huge=True),
        seen(2, np.array([[True], [False]])),
        seen(3, one, present=small),
    ]
    pages = Pages(recording(tmp_path / "r", passes))
    assert len(pages) == 1024
    found = [np.flatnonzero(each.accessed).tolist() for each in pages.rounds()]
    assert found == [[], [*range(512)], [3]]


def test_pages_whose_bits_say_nothing_do_not_count(tmp_path: Path) -> None:
    everything = np.ones((1, 512), dtype=np.bool_)
    first = seen(1, ~everything, present=everything)
    first.layout["stuck"][0, :32] = 255
    tape = recording(tmp_path / "r", [first, seen(2, everything)])
    assert replay(tape, "nothing", (1, 1)).pages == 256


def test_only_pages_that_are_there_are_promoted_and_no_more_than_fit(tmp_path: Path) -> None:
    present = np.ones((8, 512), dtype=np.bool_)
    present[7, 256:] = False
    passes = [seen(1, ~present, present=present), *(seen(n, present) for n in range(2, 40))]
    found = replay(recording(tmp_path / "r", passes), "first-touch", (1, 1))
    assert found.fast_pages == 1920
    assert found.promoted > 0
    hits = [share for share in found.by_pass["first-touch"] if share is not None]
    assert max(hits) == pytest.approx(0.5)


def run(tape: Path, *options: str) -> int:
    return main(["replay", str(tape), *options])


def test_the_command_reports_it_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipf(tmp_path)
    assert run(tmp_path / "zipf", "--ratio", "1:2", "--json", str(tmp_path / "j")) == 0
    out = capsys.readouterr().out
    assert "4096 pages of which 1365 fit" in out
    assert "best-static" in out
    found = json.loads((tmp_path / "j").read_text())
    names = set(Replayed.__dataclass_fields__) | {"file", "ratio"}
    assert set(found) == names
    assert len(found["by_pass"]["capacity"]) == found["passes"] == 60


def test_a_recording_that_was_cut_is_replayed_and_that_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipf(tmp_path)
    path = tmp_path / "zipf"
    path.write_bytes(path.read_bytes()[:-50])
    assert run(path) == 0
    assert "59 passes; the recording was cut after them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policy", "luck"], "no policy 'luck'"),
        (["--ratio", "1"], "no ratio"),
        (["--ratio", "0:8"], "no ratio"),
        (["--json", "/proc/none/j"], "cannot write"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipf(tmp_path, rounds=5)
    assert run(tmp_path / "zipf", *options) == 2
    assert words in capsys.readouterr().err


def test_a_recording_without_an_access_is_refused(tmp_path: Path) -> None:
    everything = np.ones((1, 512), dtype=np.bool_)
    tape = recording(tmp_path / "r", [seen(1, ~everything, present=everything)])
    with pytest.raises(UsageError, match="no accessed page"):
        replay(tape, "nothing", (1, 8))
    with pytest.raises(UsageError, match="no accessed page"):
        replay(recording(tmp_path / "s", []), "nothing", (1, 8))


def without_rows(path: Path, *, heads: int = 1, passes: int = 1, layout: bool = True) -> Path:
    """A file of whole members, with more rows than the one that is allowed."""
    every = np.ones((1, 512), dtype=np.bool_)
    whole = seen(1, every, present=every if layout else None)
    head = np.repeat(one_row(HEAD, format=FORMAT, version=VERSION, period_ms=1000), heads)
    members = [(head, one_row(NODES, node=1)), (whole.about.repeat(passes), *whole.tables[1:])]
    path.write_bytes(b"".join(map(_packed, members)))
    return path


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"heads": 0}, "is no recording"),
        ({"heads": 2}, "is no recording"),
        ({"passes": 0}, "no accessed page"),
        ({"passes": 2}, "no accessed page"),
        ({"layout": False}, "accesses to memory of unknown layout"),
    ],
)
def test_a_whole_file_that_is_no_whole_recording_is_one_line(
    wrong: dict[str, int], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(without_rows(tmp_path / "r", **wrong), "--policy", "two-pass") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


class Noting(World):
    """Keeps what each step found."""

    bits: ClassVar[list[int]] = []
    there: ClassVar[list[int]] = []
    frames: ClassVar[list[int]] = []

    def step(self, now: float) -> float:
        numbers = self._memory.frame_numbers
        self.bits.append(int(np.count_nonzero(self.accessed)))
        self.there.append(int(np.count_nonzero(numbers)))
        self.frames.append(int(numbers[1, 7]))
        return super().step(now)


def test_bits_are_set_by_the_mapping_and_then_by_the_accesses_since_they_were_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "World", Noting)
    monkeypatch.setattr(Noting, "bits", [])
    everything, nothing = np.ones((8, 512), dtype=np.bool_), np.zeros((8, 512), dtype=np.bool_)
    passes = [
        seen(1, nothing, present=everything),
        *(seen(n, everything if n % 2 else nothing) for n in range(2, 6)),
    ]
    replay(recording(tmp_path / "r", passes), "two-pass", (1, 2))
    assert Noting.bits[:3] == [4096, 4096 // 3, 4096]  # what is on the fast tier is not aged


def test_a_policy_sees_the_pages_that_are_there_and_others_in_place_of_those_that_were_unmapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "World", Noting)
    monkeypatch.setattr(Noting, "there", [])
    monkeypatch.setattr(Noting, "frames", [])
    everything, none = np.ones((2, 512), dtype=np.bool_), np.zeros((2, 512), dtype=np.bool_)
    one = everything.copy()
    one[1] = False
    passes = [
        seen(1, none, present=everything),
        seen(2, one, present=one),
        seen(3, everything, present=everything),
    ]
    replay(recording(tmp_path / "r", passes), "two-pass", (1, 2))
    assert Noting.there == [1024, 512, 1024]
    assert Noting.frames[0] != 0 == Noting.frames[1] != Noting.frames[2]


@pytest.mark.parametrize(
    ("shares", "warm_up"),
    [
        ([0.1, 0.2, 0.5, 0.7, 0.8, 0.8, 0.8, 0.8], 4),
        ([None, 0.8, 0.1, 0.2, 0.8, 0.8, None, 0.8], 4),
        ([0.5, 0.5, 0.5, 0.5], 0),
        ([0.1, 0.9], 1),
        ([None, None, None], 0),
    ],
)
def test_a_warm_up_ends_where_the_policy_is_as_good_as_later(
    shares: list[float | None], warm_up: int
) -> None:
    assert _warm_up(shares) == warm_up


def test_warm_up_and_what_follows_are_distinguished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipf(tmp_path, rounds=60)
    assert main(["replay", str(tmp_path / "zipf"), "--policy", "capacity"]) == 0
    *_, header, _, _, capacity, nothing = [
        line.split() for line in capsys.readouterr().out.splitlines() if line
    ]
    assert " ".join(header).startswith("PLACEMENT WARM-UP, ")
    assert [capacity[0], nothing[0], len(capacity)] == ["capacity", "nothing", 4]


def gups(tmp_path: Path, rounds: int) -> tuple[Recording, BoolArray]:
    rng = np.random.default_rng(5)
    rates = rng.permutation(np.where(np.arange(4096) < 410, 2.0, 0.02))
    everything = np.ones((8, 512), dtype=np.bool_)
    accessed = [bits(rng, rates) for _ in range(rounds)]
    passes = [
        seen(n + 1, each, present=everything if n == 0 else None) for n, each in enumerate(accessed)
    ]
    return recording(tmp_path / "gups", passes), 1 - np.exp(-rates)


@pytest.mark.parametrize("passes", [60, 120])
def test_a_sizing_curve_is_within_two_points_of_the_truth(tmp_path: Path, passes: int) -> None:
    rates = 1 / np.arange(1, 4097) ** 0.99
    truth = {"zipf": 1 - np.exp(-rates * 1500 / rates.sum())}
    tapes = {"zipf": zipf(tmp_path, passes)[0]}
    tapes["gups"], truth["gups"] = gups(tmp_path, passes)
    for name, tape in tapes.items():
        best = np.sort(truth[name])[::-1].cumsum() / truth[name].sum()
        curve = Curve.of(kinds(tape))
        assert curve.total == pytest.approx(4096)
        for pages in (64, 128, 256, 512, 1024, 2048, 4000):
            assert curve.share(pages) == pytest.approx(best[pages - 1], abs=0.02)


def test_too_few_passes_are_no_curve(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 7 passes, too few"):
        kinds(zipf(tmp_path, 7)[0])
