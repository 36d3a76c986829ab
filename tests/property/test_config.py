"""Whatever a file says, it is a configuration or a list of mistakes, a line each."""

import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand import config
from mmscand.config_file import Toml
from mmscand.config_rules import RULE_KEYS
from mmscand.errors import UsageError
from mmscand.settings import KNOBS, Settings, changed, values_of
from mmscand.shown import shown

FILE = Path("/x.toml")
scalars = (
    st.booleans()
    | st.integers()
    | st.sampled_from([64, 20_000]).map(lambda bits: 1 << bits)  # one that Python does not write
    | st.integers(0, 10)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["root", "/a", "**/b", "^x", "[", "(a+)+", "a\0b", "x" * 5000, "auto"])
    | st.dates()
    | st.just(datetime.time(1))
)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def keys(*known: str) -> st.SearchStrategy[str]:
    return st.sampled_from(known) | st.text(max_size=9)


rules = st.lists(st.dictionaries(keys(*RULE_KEYS), scalars, max_size=4), max_size=3)
files = st.fixed_dictionaries(
    {},
    optional={
        "settings": st.dictionaries(keys(*KNOBS), scalars, max_size=4) | junk,
        "control": st.dictionaries(keys("socket", "group"), scalars, max_size=3) | junk,
        "rule": rules | junk,
        "other": junk,
    },
)


@settings(max_examples=300, deadline=None)
@given(files)
def test_it_is_taken_or_refused_in_lines(said: dict[str, Any]) -> None:
    with mock.patch.object(config, "read_toml_and_data", lambda *_, **__: Toml(said, b"")):
        try:
            read = config.load_config(FILE)
        except UsageError as error:
            assert error.lines
            for line in error.lines:
                assert line.startswith(f"{FILE}: ")
                assert len(line) < 10_000
                assert shown(line).isprintable()
        else:
            assert "other" not in said
            assert changed(Settings(), values_of(read.settings)).settings == read.settings
            assert len(read.rules.rules) == len(said.get("rule", []))
