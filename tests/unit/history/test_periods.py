"""Times as people write them."""

from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.errors import UsageError
from mmscand.history.periods import time_of

NOW = datetime(2026, 5, 20, 13, 45, 10).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("yesterday", datetime(2026, 5, 19)),
        ("Today", datetime(2026, 5, 20)),
        ("now", datetime(2026, 5, 20, 13, 45, 10)),
        ("3h", datetime(2026, 5, 20, 10, 45, 10)),
        ("-90 min", datetime(2026, 5, 20, 12, 15, 10)),
        ("2d ago", datetime(2026, 5, 18, 13, 45, 10)),
        ("09:30", datetime(2026, 5, 20, 9, 30)),
        ("2026-05-01", datetime(2026, 5, 1)),
        ("2026-05-01 14:00", datetime(2026, 5, 1, 14)),
        ("2026-05-01t14:00:30", datetime(2026, 5, 1, 14, 0, 30)),
    ],
)
def test_a_time(text: str, moment: datetime) -> None:
    assert time_of(text, NOW) == int(moment.timestamp())


def test_unix_time_and_zones() -> None:
    assert time_of("1700000000", NOW) == 1_700_000_000
    assert time_of("2026-05-01T00:00:00+00:00", NOW) == 1_777_593_600


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "5", "\u0663h", "9" * 400])
def test_what_is_none_is_reported(text: str) -> None:
    if text == "9" * 400:
        assert time_of(text, NOW) > NOW
        return
    with pytest.raises(UsageError, match="is no time"):
        time_of(text, NOW)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert time_of(text, NOW) is not None
