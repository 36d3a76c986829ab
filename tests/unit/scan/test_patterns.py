"""What a pattern matches, and that it does so in bounded time."""

import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmscand.errors import UsageError
from mmscand.scan.patterns import name_pattern, path_parts, path_pattern, shortest_match


def part_matches(pattern: str, part: str) -> bool:
    @cache
    def at(p: int, t: int) -> bool:
        if p == len(pattern):
            return t == len(part)
        if pattern[p] == "*":
            return any(at(p + 1, end) for end in range(t, len(part) + 1))
        return t < len(part) and pattern[p] in ("?", part[t]) and at(p + 1, t + 1)

    return at(0, 0)


def path_matches(patterns: list[str], parts: list[str]) -> bool:
    """All ways are tried: what the pattern means, and slow."""
    if not patterns:
        return True
    first, *others = patterns
    if first == "**":
        return any(path_matches(others, parts[skip:]) for skip in range(len(parts) + 1))
    return bool(parts) and part_matches(first, parts[0]) and path_matches(others, parts[1:])


part_patterns = st.text("ab*?", min_size=1, max_size=6)
parts = st.lists(st.text("ab", min_size=1, max_size=5), max_size=5)


@settings(max_examples=1000)
@example(["*"], [])
@example(["a", "**", "*"], ["a"])
@given(st.lists(st.just("**") | part_patterns, max_size=4), parts)
def test_a_path_matches_as_if_all_ways_were_tried(patterns: list[str], path: list[str]) -> None:
    pattern = path_pattern("/" + "/".join(patterns))
    found = pattern.match("/" + "/".join(path)) is not None
    assert found is path_matches(path_parts("/".join(patterns)), path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/*a*a*a*a*b", "/" + "a" * 250),
        ("/" + "*a" * 100 + "*b", "/" + "a" * 4000),
        ("/" + "*?" * 100 + "*b", "/" + "a" * 4000),
        ("/**" + "/*a*/**" * 100 + "/b", "/a" * 2000),
        ("**/*a*a*a*a*b" * 2, ("/" + "a" * 200) * 20),
    ],
)
def test_stars_take_no_time(pattern: str, path: str) -> None:
    assert path_pattern(pattern).match(path) is None


@pytest.mark.parametrize(
    "text",
    [
        *("^post", "sshd?", "^(kafka|zookeeper).*server$", ".*a.*b", "[a-z]+-[0-9]+", "^java$"),
        *("(?i)Chrome", "worker/\\d+", "a{3,5}b?c?", "(a|b)*", r"(?P<x>a)\1", "(?<!k)worker"),
        *("", "^.{0,3}$", "(foo){2}", "(?>a+)b", "a++b", "(?:python3?|perl)(-[a-z]+)?"),
    ],
)
def test_what_people_write_is_taken(text: str) -> None:
    assert name_pattern(text).pattern == text


@pytest.mark.parametrize(
    "text",
    [
        *("(a+)+$", "(a*)*b", "(a|aa)+$", "(a|a|a|a)*b", "(.*)*x", "((a?){9}){9}b", "(?:a?b?)+"),
        *(".*.*.*.*.*x", "(?>(a+)+)b", "(?=(a+)+b)", "(x)?(?(1)(a+)+|b)c"),
    ],
)
def test_what_may_take_forever_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="may take forever"):
        name_pattern(text)


@pytest.mark.parametrize("text", ["[", "(", "(" * 5000, "a{99999999999}", "*", "a**"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no Python regular expression"):
        name_pattern(text)


atoms = st.sampled_from(["a", ".", "[ab]", "(a|b)", "(?:ab|a)", "a?", "b*", "a+", "(a*)", "a{0,3}"])


@given(st.lists(atoms, max_size=5), st.sampled_from(["", "*", "+", "?"]))
def test_whatever_is_taken_matches_at_once(made: list[str], repeat: str) -> None:
    try:
        pattern = name_pattern(f"(?:{''.join(made)}){repeat}c")
    except UsageError:
        return
    assert pattern.search("a" * 64) is None


def test_the_least_that_a_pattern_asks_for() -> None:
    assert shortest_match(name_pattern("^abc.*d?$")) == 3
    assert shortest_match(re.compile("(?i)ab{4}")) == 5
