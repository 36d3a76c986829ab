"""Cells, shades, and the terminal: what is drawn is what was summed, in the room that there is."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.heatmap.drawing import coarser, drawn
from mmscand.heatmap.model import Gathered, Sum
from mmscand.heatmap.scale import seconds_words, shades_of, size_words, value_words
from mmscand.heatmap.terminal import Colours, Terminal, lines_of

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def gathered(looks: int = 40, bands: tuple[tuple[str, int], ...] = (("[heap]", 8),)) -> Gathered:
    """Each piece is 512 pages; the second half of all pieces is on the fast tier."""
    pieces = sum(count for _, count in bands)
    random = np.random.default_rng(1)
    sums = np.full((4, looks, pieces), 512, dtype=np.float32)
    sums[Sum.HEAT] = random.integers(0, 513, size=(looks, pieces))
    sums[Sum.SLOW, :, pieces // 2 :] = 0
    return Gathered("app[7]", sums, bands, np.arange(looks) * 1.0, 1.7e9, "share")


def test_cells_are_means_over_their_pages_and_looks() -> None:
    found = gathered()
    cells = drawn(found, rows=4, columns=10)
    assert cells.heat.shape == (4, 10)
    first = found.sums[Sum.HEAT, :4, :2].sum() / (4 * 2 * 512)
    assert cells.heat[0, 0] == pytest.approx(first)
    assert cells.slow[:, 0].tolist() == [1, 1, 0, 0]
    assert cells.at_s[:3].tolist() == [0, 4, 8]
    (band,) = cells.bands
    assert (band.rows, band.pages, band.fast_percent) == (4, 4096, 50)


def test_where_nothing_is_known_there_is_no_heat_and_without_memory_no_tier() -> None:
    found = gathered(looks=2)
    found.sums[Sum.KNOWN, 0] = found.sums[Sum.HEAT, 0] = 0
    found.sums[:, 1, :4] = 0
    cells = drawn(found, rows=8, columns=2)
    assert np.isnan(cells.heat[:, 0]).all()
    assert not np.isnan(cells.slow[:, 0]).any()
    assert np.isnan(cells.slow[:4, 1]).all()


def test_what_is_too_small_for_a_row_is_put_together_behind_the_others() -> None:
    bands = (("a", 100), *((f"lib{at}", 1) for at in range(9)), ("z", 50))
    cells = drawn(gathered(bands=bands), rows=20, columns=9)
    assert [band.label for band in cells.bands] == ["a", "z", "9 smaller ones"]
    assert sum(band.pages for band in cells.bands) == 159 * 512
    assert drawn(gathered(bands=bands), rows=300, columns=9, bands=2).bands[1].pages == 59 * 512
    assert len(drawn(gathered(bands=bands), rows=300, columns=9).bands) == 11


def test_a_coarser_picture_has_the_same_sums() -> None:
    found = gathered(bands=(("a", 30), ("b", 10)))
    less = coarser(found, 8)
    assert less.bands == (("a", 6), ("b", 2))
    assert (less.sums.sum(axis=2) == found.sums.sum(axis=2)).all()


def test_ranks_are_by_amount_and_chance_differences_are_none() -> None:
    heat = np.array([[0.0, 0.001, 0.00101, 0.00102, 0.4, 0.41, np.nan]])
    found = shades_of(heat, "rank")
    assert found.shades[0, :6].tolist() == [0, 0.5, 0.5, 0.5, 1, 1]
    assert found.levels[0].tolist() == [0, 2, 2, 2, 4, 4, -1]
    assert found.bounds == (0, 0.00102, 0, 0.41)
    assert "rank" in found.words


def test_a_linear_shade_is_in_proportion() -> None:
    found = shades_of(np.array([[0.0, 0.1, 0.2, 0.4]]), "linear")
    assert found.shades[0].tolist() == [0, 0.25, 0.5, 1]
    assert found.levels[0].tolist() == [0, 1, 2, 4]
    assert "linear" in found.words


@pytest.mark.parametrize("scale", ["rank", "linear"])
def test_without_any_access_all_is_cold(scale: str) -> None:
    found = shades_of(np.zeros((2, 2)), scale)  # type: ignore[arg-type]
    assert not found.levels.any()


@given(
    columns=st.integers(40, 200),
    lines=st.integers(8, 60),
    looks=st.integers(1, 300),
    bands=st.lists(st.integers(1, 40), min_size=1, max_size=50),
    colours=st.sampled_from(["truecolor", "256", "16", "none"]),
    letters=st.integers(1, 90),
)
def test_a_picture_fits_the_terminal(
    columns: int, lines: int, looks: int, bands: list[int], colours: Colours, letters: int
) -> None:
    labels = tuple((f"/{at}" + "x" * letters, count) for at, count in enumerate(bands))
    picture = lines_of(gathered(looks, labels), "rank", Terminal(columns, lines, colours, True))
    assert len(picture) < lines
    assert max(len(ESCAPES.sub("", line)) for line in picture) <= columns
    assert colours != "none" or not any(ESCAPES.search(line) for line in picture)


def test_the_tier_is_reported_without_a_colour_and_the_scale_is_named() -> None:
    terminal = Terminal(80, 24, "none", True)
    picture = lines_of(gathered(), "rank", terminal)
    cells = [line[16:61] for line in picture[1:9]]
    assert not set("".join(cells[:4])) & set("_░▒▓█")
    assert not set("".join(cells[4:8])) & set(".:+x#")
    assert any(line.startswith("fast tier: _ no access") for line in picture)
    assert any("scale rank" in line for line in picture)
    assert any("scale linear" in line for line in lines_of(gathered(), "linear", terminal))
    plain = "\n".join(lines_of(gathered(), "rank", replace(terminal, unicode=False)))
    assert plain.isascii()


def test_a_colour_is_set_once_for_a_run_and_ended_in_its_line() -> None:
    found = gathered(looks=4)
    found.sums[Sum.HEAT] = 0
    picture = lines_of(found, "rank", Terminal(80, 24, "16", True))
    assert picture[1].count("\x1b[") == 2
    assert "\x1b[34m................\x1b[0m" in picture[1]


def test_unknown_heat_and_a_look_that_is_the_only_one_are_drawn() -> None:
    found = gathered(looks=1)
    found.sums[Sum.KNOWN] = 0
    picture = lines_of(replace(found, note="a note"), "rank", Terminal(80, 24, "none", True))
    assert "????" in picture[1]
    assert picture[-1] == "a note; ? is not known"
    assert "1 look from 2023-11-14 22:13:20 UTC" in picture[0]


def test_a_terminal_that_is_too_small_gets_a_sentence() -> None:
    for terminal in (Terminal(39, 24, "none", True), Terminal(80, 7, "none", True)):
        (line,) = lines_of(gathered(), "rank", terminal)
        assert line.startswith("a heat map needs 40 columns and 8 lines")


def test_amounts_are_in_words() -> None:
    assert [size_words(pages) for pages in (1, 255, 256, 262144, 1 << 28)] == [
        "4 KiB",
        "1020 KiB",
        "1 MiB",
        "1 GiB",
        "1024 GiB",
    ]
    assert [seconds_words(s) for s in (0, 59.94, 300, 86400)] == ["0 s", "59.9 s", "5 min", "24 h"]
    assert value_words(0.999, "share") == "100 %"
    assert value_words(0.031, "share") == "3.1 %"
    assert value_words(5300, "rate") == "5300 /s"
    assert value_words(5.5, "passes") == "5.5"
