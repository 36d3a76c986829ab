"""The schema accepts what the daemon accepts, and refuses what it refuses."""

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mmscand.config import load_config
from mmscand.config_schema import config_schema
from mmscand.errors import UsageError
from mmscand.settings import KNOBS
from mmscand_reference.service_files import service_files
from mmscand_reference.settings import written

SCHEMA = Draft202012Validator(config_schema())
EVERY_KNOB = "[settings]\n" + "".join(
    f"{name} = {written(knob.default) if not knob.choices else repr(knob.default)}\n"
    for name, knob in KNOBS.items()
)
GOOD = [
    "",
    EVERY_KNOB,
    "[settings]\ncpu_budget_percent = 2\nprofile = 'v1'\nscan_enabled = false",
    "[control]\nsocket = '/run/a.sock'\ngroup = 'root'",
    "[nodes]\nslow = '1'",
    "[nodes]\nfast = '0,2-3'\nslow = ' 1,,4, '",
    "[[rule]]\nuid = 'root'\n[[rule]]\nuid = 0\nexclude = true",
    "[[rule]]\ncgroup = '/a/**'\nname = '^x'\npid = 7\naggressiveness = 9\nunseen_use = true",
    "[[rule]]\ncgroup = '**/a'",
]
BAD = [
    "settings = 1",
    "[setting]",
    "[settings]\nno_knob = 1",
    "[settings]\nhot_passes = '2'",
    "[settings]\nhot_passes = 2.5",
    "[settings]\nhot_passes = true",
    "[settings]\nscan_period_ms = 0",
    "[settings]\ncpu_budget_percent = 101",
    "[settings]\nprofile = 'v2'",
    "[settings]\nscan_enabled = 1",
    "[control]\nsocket = 'run/a.sock'",
    f"[control]\nsocket = '/{'a' * 107}'",
    "[control]\nuser = 'root'",
    "[nodes]\nslow = 1",
    "[nodes]\nslow = '1--2'",
    "[nodes]\nfast = ','",
    "[nodes]\nslwo = '1'",
    "[rule]\npid = 1",
    "[[rule]]",
    "[[rule]]\npid = 0",
    "[[rule]]\npid = 'x'",
    "[[rule]]\ncgroup = 'a'",
    "[[rule]]\nname = ''",
    "[[rule]]\nuid = -1",
    "[[rule]]\nuid = 4294967295",
    "[[rule]]\naggressiveness = 11",
    "[[rule]]\nexclude = 1",
    "[[rule]]\nexclude = true\naggressiveness = 3",
    "[[rule]]\nnmae = 'x'",
]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(config_schema())


@pytest.mark.parametrize("text", GOOD)
def test_a_good_file_fits_the_schema(text: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    load_config(file)
    SCHEMA.validate(tomllib.loads(text))


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_does_not(text: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(UsageError):
        load_config(file)
    assert not SCHEMA.is_valid(tomllib.loads(text))


def test_the_example_with_all_its_lines_in_force_fits() -> None:
    lines = service_files()["mmscand.toml"].splitlines()
    values = [line[2:] for line in lines if line.startswith("# ") and line[2:].split(" = ")[1:]]
    settings = [line for line in values if line.partition(" = ")[0] in KNOBS]
    assert len(settings) == len(KNOBS)
    SCHEMA.validate(tomllib.loads("[settings]\n" + "\n".join(settings)))
