"""The tables of docs/kmmscand.md name tests: each must be there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_a_table_names_exists() -> None:
    text = (ROOT / "docs/kmmscand.md").read_text()
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
    text = (ROOT / "docs/kmmscand.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"`([A-Z]\w+)\.(_?[a-z]\w+)`", text))
    missing = [
        f"{owner}.{name}"
        for owner, name in sorted(named)
        if f"class {owner}" not in source or not re.search(rf"\b{name}\b", source)
    ]
    assert missing == []
