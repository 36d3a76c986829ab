"""What the tables of docs/ name is there, and what is there has a row in them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from mmscand.control.answers import _ASKS
from mmscand.settings import PolicyName
from mmscand_reference.pages import REFERENCE, pages
from mmscand_reference.service_files import SERVICE_FILES, service_files

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_a_table_names_exists() -> None:
    text = (ROOT / "docs/explanation/kmmscand.md").read_text()
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", text))
    assert len(named) > 100
    missing = [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not (ROOT / "tests" / path).exists()
        or not re.search(rf"def {name}\b", (ROOT / "tests" / path).read_text())
    ]
    assert missing == []


def test_every_attribute_that_a_table_names_exists() -> None:
    text = (ROOT / "docs/explanation/kmmscand.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"`([A-Z]\w+)\.(_?[a-z]\w+)`", text))
    missing = [
        f"{owner}.{name}"
        for owner, name in sorted(named)
        if f"class {owner}" not in source or not re.search(rf"\b{name}\b", source)
    ]
    assert missing == []


def test_reference_pages_are_what_the_code_says() -> None:
    for name, text in pages().items():
        assert (REFERENCE / name).read_text() == text, "run script/reference"


def test_files_of_the_service_are_what_the_code_says() -> None:
    for name, text in service_files().items():
        assert (SERVICE_FILES / name).read_text() == text, "run script/reference"


@pytest.mark.parametrize("names", [_ASKS, get_args(PolicyName)], ids=["requests", "policies"])
def test_what_an_operator_meets_is_in_the_reference(names: Iterable[str]) -> None:
    text = (ROOT / "docs/reference/configuration.md").read_text()
    assert set(names) - set(re.findall(r"`([\w-]+)`", text)) == set()
