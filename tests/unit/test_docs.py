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


ARCHITECTURE = (ROOT / "docs/explanation/architecture.md").read_text()
PACKAGE = ROOT / "src/mmscand"


def test_every_place_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+(?:/|\.py))`", ARCHITECTURE))
    assert len(named) > 100
    missing = [
        name for name in sorted(named) if not any((r / name).exists() for r in (PACKAGE, ROOT))
    ]
    assert missing == []


def test_every_attribute_that_the_architecture_names_exists() -> None:
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    named = set(re.findall(r"`([A-Z]\w+)\.(_?[a-z]\w+)`", ARCHITECTURE))
    assert len(named) > 10
    for owner, name in sorted(named):
        defined = rf"^class {owner}\b(?:(?!^class ).)*\b{name}\b"
        assert re.search(defined, source, re.MULTILINE | re.DOTALL), f"{owner}.{name}"


def test_every_folder_has_a_row_in_the_architecture() -> None:
    rows = "".join(re.findall(r"^\|([^|]+)\|", ARCHITECTURE, re.MULTILINE))
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {folder for folder in folders if f"`{folder}/`" not in rows} == set()


def test_the_architecture_is_short() -> None:
    assert len(ARCHITECTURE.split()) <= 4000


PATCH_1 = frozenset(
    re.findall(
        r"\w+",
        """
    KMMSCAND NUMA_BALANCING kmmscand kmmscand_scan mm_head kmmscand_has_work kmmscand_should_wakeup
    need_wakeup kmmscand_sleep_expire kmmscand_wait_work scan_sleep_jiffies kmmscand_scan_sleep_ms
    kmmscand_wait kmmscand_scan_mm_slot kmmscand_do_scan iter mms_to_scan kmmscand_mms_to_scan
    kmmscand_scan_enabled start_kmmscand kmmscand_thread kmmscand_mutex stop_kmmscand kmmscand_init
    subsys_initcall kthread_should_stop time_after_eq jiffies msecs_to_jiffies wait_event_timeout
    msleep READ_ONCE cond_resched cpu_relax guard kthread_run IS_ERR PTR_ERR pr_err pr_info
    wake_up_interruptible kthread_stop
""",
    )
)
"""Each name that patch 1 of the RFC's first version introduces, and each call in it."""


def test_every_name_of_the_first_patch_has_its_row() -> None:
    rows = re.findall(r"^\|.*", (ROOT / "docs/explanation/kmmscand.md").read_text(), re.MULTILINE)
    named = {
        word
        for row in rows
        for code in re.findall("`([^`]+)`", row.split(" | ")[0])
        for word in re.findall(r"\w+", code)
    }
    assert PATCH_1 - named == set()


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
