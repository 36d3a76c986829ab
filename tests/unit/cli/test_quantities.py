"""Numbers with their units."""

import pytest

from mmscand.cli.quantities import percent, short_size, short_span, size, span


@pytest.mark.parametrize(
    ("pages", "long", "short"),
    [
        (0, "0 KiB", "0"),
        (1, "4 KiB", "4K"),
        (249, "996 KiB", "996K"),
        (256, "1.0 MiB", "1.0M"),
        (3148, "12.3 MiB", "12.3M"),
        (255_999, "1.0 GiB", "1.0G"),
        (256 * 1024, "1.0 GiB", "1.0G"),
        (16 << 28, "16.0 TiB", "16.0T"),
        (None, "-", "-"),
    ],
)
def test_pages_are_bytes_in_powers_of_1024(pages: int | None, long: str, short: str) -> None:
    assert (size(pages), short_size(pages)) == (long, short)


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (0.04, "0.0 s", "0.0s"),
        (3.14, "3.1 s", "3.1s"),
        (9.97, "10 s", "10s"),
        (75, "1 min 15 s", "1m"),
        (3600, "1 h", "1h"),
        (3 * 86_400 + 4 * 3600 + 5, "3 d 4 h", "3d"),
    ],
)
def test_spans_have_two_units_at_most(seconds: float, long: str, short: str) -> None:
    assert (span(seconds), short_span(seconds)) == (long, short)
    assert span(None) == "-"


def test_shares_are_percent() -> None:
    assert [percent(share) for share in (None, 0, 0.004, 0.126, 1.0)] == [
        *("-", "0 %", "0.4 %", "13 %", "100 %")
    ]
