"""Any text, safe for people and for programs."""

import json
import os

from hypothesis import example, given
from hypothesis import strategies as st

from mmscand.shown import encodable, json_text, shown

names = st.binary(max_size=15).map(os.fsdecode) | st.text(
    st.characters(exclude_categories=()), max_size=15
)
"""As the kernel gives them, and with whatever else a str can hold."""


@given(names)
@example("x\nnode 0 is full")
@example("\x1b[2J\u202egnp\u2028\x85\x9b")
def test_people_see_one_line_without_controls(name: str) -> None:
    text = shown(name)
    assert text.isprintable()
    assert shown(text) == text
    text.encode()
    if name.isprintable():
        assert text == name


@given(names)
def test_what_cannot_be_encoded_is_escaped_for_programs(name: str) -> None:
    for value in ({"name": name}, [name, {name: 1}]):
        text = json_text(value)
        assert text.isascii()
        assert "\n" not in text
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    try:
        name.encode()
    except UnicodeEncodeError:
        encodable(name).encode()
    else:
        assert encodable(name) == name
        assert json.loads(json_text(name)) == name


def test_a_byte_is_reported_as_a_byte() -> None:
    assert shown(os.fsdecode(b"caf\xe9\n")) == r"caf\xe9\n"
    assert json.loads(json_text(os.fsdecode(b"caf\xe9\n"))) == "caf\\xe9\n"
    assert json.loads(json_text("\ud800\U0001f600")) == "\\ud800\U0001f600"
