"""PNG, SVG and HTML: whole files that hold what was drawn, and nothing that a name brings in."""

import base64
import json
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mmscand.heatmap.html import html_of
from mmscand.heatmap.model import Gathered, Sum
from mmscand.heatmap.pixels import FAST, NOTHING, SLOW, UNKNOWN, colours_of, pixels_of, png_of
from mmscand.heatmap.scale import shades_of
from mmscand.heatmap.svg import picture_of, svg_of
from unit.heatmap.test_drawing import gathered

EVIL = "</script><img src=x onerror=alert(1)> $title ${data} \"&'$"


def evil() -> Gathered:
    return replace(gathered(bands=((EVIL, 8),)), title=EVIL)


def decoded(png: bytes) -> np.ndarray:
    """(height, width, 3) of a file without filters, each chunk's checksum verified."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (
            zlib.crc32(kind + data),
        )
        chunks[kind] = data
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    assert list(chunks)[-1] == b"IEND"
    return rows[:, 1:].reshape(height, width, 3)


def test_pixels_go_into_a_png_and_come_out() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, size=(7, 5, 3)).astype(np.uint8)
    assert (decoded(png_of(pixels)) == pixels).all()


def test_the_hue_is_the_tier_and_slow_cells_are_ruled() -> None:
    found = gathered(looks=2)
    found.sums[Sum.HEAT] = 0
    found.sums[Sum.HEAT, 1] = 512
    heat_map = picture_of(found)
    shades = shades_of(heat_map.heat, "rank")
    colours = colours_of(heat_map, shades)
    assert [tuple(c) for c in colours[0].tolist()] == [SLOW[0], SLOW[-1]]
    assert [tuple(c) for c in colours[-1].tolist()] == [FAST[0], FAST[-1]]
    pixels = pixels_of(heat_map, shades, 4, 3)
    assert pixels.shape == (4 * len(colours), 6, 3)
    assert (pixels[3, 0] < pixels[2, 0]).all()  # slow
    assert (pixels[-1, 0] == pixels[-2, 0]).all()  # fast
    found.sums[Sum.SLOW] = 512  # one tier: nothing to distinguish
    heat_map = picture_of(found)
    pixels = pixels_of(heat_map, shades_of(heat_map.heat, "rank"), 4, 3)
    assert (pixels[3, 0] == pixels[2, 0]).all()


def test_what_is_not_known_is_grey_and_no_memory_is_white() -> None:
    found = gathered(looks=2)
    found.sums[Sum.KNOWN, 0] = found.sums[Sum.HEAT, 0] = 0
    found.sums[:, 1, :4] = 0
    heat_map = picture_of(found)
    colours = colours_of(heat_map, shades_of(heat_map.heat, "rank"))
    assert [tuple(c) for c in colours[0].tolist()] == [UNKNOWN, NOTHING]


@pytest.mark.parametrize("scale", ["rank", "linear"])
def test_an_svg_is_xml_with_its_cells_labels_and_scale(scale: str) -> None:
    bands = (("[heap]", 30), ("/srv/data", 90))
    root = ElementTree.fromstring(svg_of(gathered(bands=bands), scale))  # type: ignore[arg-type]
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"[heap]", "/srv/data", "fast tier", "slow tier (ruled)"} <= set(texts)
    assert any(f"scale {scale}" in text for text in texts)
    (image,) = root.iter("{http://www.w3.org/2000/svg}image")
    png = decoded(base64.b64decode(image.attrib["href"].split(",")[1]))
    assert (str(png.shape[1]), str(png.shape[0])) == (image.attrib["width"], image.attrib["height"])


def test_a_page_holds_all_cells_and_loads_nothing() -> None:
    page = html_of(gathered(), "linear")
    assert not re.search(r"https?://|<link|<img|src=|@import|url\(", page)
    assert '<option value="linear" selected>' in page
    data = json.loads(re.search(r"^const d = (.*);$", page, re.MULTILINE)[1])  # type: ignore[index]
    heat = np.frombuffer(base64.b64decode(data["heat"]), dtype="<f4")
    expected = picture_of(gathered()).heat
    assert heat == pytest.approx(expected.reshape(-1), abs=1e-6)
    assert data["bands"][0][0] == "[heap]"
    assert len(base64.b64decode(data["shades"]["rank"])) == expected.size
    assert "<td>[heap]</td><td>16 MiB, 50 %</td>" in page  # the table says it without a canvas


def test_no_name_gets_out_of_its_place() -> None:
    page = html_of(evil(), "rank")
    assert page.count("</script>") == 1
    assert "<img" not in page
    data = json.loads(re.search(r"^const d = (.*);$", page, re.MULTILINE)[1])  # type: ignore[index]
    assert data["bands"][0][0] == EVIL
    root = ElementTree.fromstring(svg_of(evil(), "rank"))
    assert not list(root.iter("{http://www.w3.org/2000/svg}img"))


def test_a_png_is_drawn_also_of_names_that_matplotlib_would_take_for_formulas(
    tmp_path: Path,
) -> None:
    from mmscand.heatmap.png import figure_of, write_png

    write_png(replace(evil(), title="a$b$c_{"), "rank", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    figure = figure_of(gathered(), "linear")
    assert "scale linear" in figure.legends[0].get_title().get_text()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["[heap]"]
