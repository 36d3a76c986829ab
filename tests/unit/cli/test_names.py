"""Options with commas."""

import pytest

from mmscand.cli.names import known_names, names, numbers
from mmscand.errors import UsageError


def test_names_come_once_and_in_order() -> None:
    assert names(" b, a,,b ") == ["b", "a"]
    assert names("") == []


def test_no_names_are_all_known_ones_and_others_are_refused() -> None:
    assert known_names("way", "b", ["a", "b"]) == ["b"]
    assert known_names("way", "", ["a", "b"]) == ["a", "b"]
    with pytest.raises(UsageError, match="no way 'c'") as caught:
        known_names("way", "a,c", ["a", "b"])
    assert "a, b" in caught.value.hint


def test_numbers_are_above_nothing() -> None:
    assert numbers(int, "seeds", "3,1") == [3, 1]
    assert numbers(float, "x", "0.5") == [0.5]
    for text in ("", "0", "-1", "x", "1.5"):
        with pytest.raises(UsageError, match="seeds"):
            numbers(int, "seeds", text)
