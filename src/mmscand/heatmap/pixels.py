"""Cells as pixels, and pixels as a PNG file without a library."""

import struct
import zlib

import numpy as np

from mmscand.heatmap.model import HeatMap, Tier
from mmscand.heatmap.scale import Shades
from mmscand.model import ByteArray, FloatArray

Ramp = tuple[tuple[int, int, int], ...]
FAST: Ramp = ((255, 240, 220), (253, 184, 99), (217, 95, 14), (122, 40, 4))
SLOW: Ramp = ((230, 239, 248), (146, 190, 225), (49, 119, 183), (8, 48, 107))
"""Ramps of red, green and blue, from no access to the hottest. Light to dark, so that heat is seen
without colours; orange and blue, which most colour-blind people can distinguish."""
RAMPS: dict[Tier, Ramp] = {"fast": FAST, "slow": SLOW}
UNKNOWN, NOTHING = (190, 190, 190), (255, 255, 255)
RULED = 0.6
"""Of the light of a cell, in its last line where it is of the slow tier and there are both: so the
tier is seen without colours."""


def colours_of(heat_map: HeatMap, shades: Shades) -> ByteArray:
    """(rows, columns, 3) red, green and blue of each cell."""
    slow = heat_map.slow >= 0.5
    ramp = np.where(slow[..., None], _ramp(SLOW, shades.shades), _ramp(FAST, shades.shades))
    ramp[np.isnan(shades.shades)] = UNKNOWN
    ramp[np.isnan(heat_map.slow)] = NOTHING
    return ramp.round().astype(np.uint8)


def _ramp(stops: Ramp, shades: FloatArray) -> FloatArray:
    places = np.linspace(0, 1, len(stops))
    known = np.nan_to_num(shades)
    return np.stack([np.interp(known, places, [s[of] for s in stops]) for of in range(3)], axis=-1)


def pixels_of(heat_map: HeatMap, shades: Shades, height: int, width: int) -> ByteArray:
    """(rows * height, columns * width, 3); a cell of the slow tier has a dark line below, if there
    are cells of both.
    """
    cells = colours_of(heat_map, shades)
    pixels = np.repeat(np.repeat(cells, height, axis=0), width, axis=1)
    if len(heat_map.tiers) < 2:
        return pixels
    slow = np.repeat(heat_map.slow >= 0.5, width, axis=1)
    lines = pixels[height - 1 :: height]
    lines[slow] = (lines[slow] * RULED).astype(np.uint8)
    return pixels


def png_of(pixels: ByteArray) -> bytes:
    """A PNG file (W3C, PNG third edition, sections 5 and 11) of (height, width, 3) pixels."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # 0: no filter
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
