"""A service is installed, and gone again, in a folder that stands for a machine's file system."""

from pathlib import Path

import pytest

from mmscand.config import load_config
from mmscand.service.places import PLACES
from mmscand.service.plan import Plan
from mmscand.service.steps import Link, Note, Remove, Run, Write
from mmscand.settings import KNOBS, Settings

PROGRAM = Path("/opt/mmscand/bin/mmscand")
CONFIG = "etc/mmscand.toml"


def plan(root: Path, *, api: bool = False, live: bool = False, program: Path = PROGRAM) -> Plan:
    return Plan(root, Path("/usr/local"), program, api, live)


def install(root: Path, *, api: bool = False, program: Path = PROGRAM) -> list[str]:
    """The kinds of the steps, each done."""
    kinds = []
    for step in plan(root, api=api, program=program).install():
        step.do()
        kinds.append(type(step).__name__)
    return kinds


def remove(root: Path) -> list[str]:
    words = []
    for step in plan(root).remove():
        step.do()
        words.append(step.words)
    return words


def tree(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_symlink() or path.is_file())
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in files
    }


def test_every_file_is_where_it_belongs(tmp_path: Path) -> None:
    install(tmp_path, api=True)
    wanted = {f"usr/local/{place.target}" for place in PLACES}
    wanted |= {CONFIG, "usr/local/share/doc/mmscand/mmscand.toml"}
    assert set(tree(tmp_path)) == wanted | {"usr/local/bin/mmscand", "usr/local/bin/mmscand-api"}


def test_without_the_api_there_is_nothing_of_it(tmp_path: Path) -> None:
    install(tmp_path)
    assert not [name for name in tree(tmp_path) if "api" in name]


def test_the_units_start_what_is_installed(tmp_path: Path) -> None:
    install(tmp_path, api=True)
    units = tmp_path / "usr/local/lib/systemd/system"
    assert "\nExecStart=/opt/mmscand/bin/mmscand run\n" in (units / "mmscand.service").read_text()
    assert "\nExecStart=/opt/mmscand/bin/mmscand-api\n" in (
        (units / "mmscand-api.service").read_text()
    )


def test_twice_is_once(tmp_path: Path) -> None:
    assert "Write" in install(tmp_path, api=True)
    before = tree(tmp_path)
    assert set(install(tmp_path, api=True)) == {"Note"}
    assert tree(tmp_path) == before


def test_removed_nothing_is_left(tmp_path: Path) -> None:
    install(tmp_path, api=True)
    remove(tmp_path)
    assert tree(tmp_path) == {}
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    # Folders of the system stay.
    assert left == {"etc", "usr", "usr/local"} | {f"usr/local/{x}" for x in ("bin", "lib", "share")}
    assert remove(tmp_path) == []


def test_a_changed_configuration_stays(tmp_path: Path) -> None:
    install(tmp_path)
    config = tmp_path / CONFIG
    config.write_text("[settings]\nhot_passes = 3\n")
    install(tmp_path, api=True)
    assert config.read_text() == "[settings]\nhot_passes = 3\n"
    assert f"keeps {config}: it was changed" in remove(tmp_path)
    assert config.read_text() == "[settings]\nhot_passes = 3\n"


def test_that_mmscand_api_needs_a_group_is_said(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / CONFIG).write_text("# mine\n")
    steps = list(plan(tmp_path, api=True).install())
    assert any('group = "mmscand"' in step.words for step in steps)


def test_the_example_of_another_version_is_no_changed_configuration(tmp_path: Path) -> None:
    install(tmp_path)
    for path in (tmp_path / CONFIG, tmp_path / "usr/local/share/doc/mmscand/mmscand.toml"):
        path.write_text("# of version 0.0.9\n")
    install(tmp_path)
    assert "0.0.9" not in (tmp_path / CONFIG).read_text()


def test_an_old_copy_of_a_unit_is_named(tmp_path: Path) -> None:
    old = tmp_path / "etc/systemd/system/mmscand.service"
    old.parent.mkdir(parents=True)
    old.write_text("")
    assert any(str(old) in step.words for step in plan(tmp_path).install())
    install(tmp_path)
    remove(tmp_path)
    assert old.exists()


def test_another_command_of_that_name_stays(tmp_path: Path) -> None:
    other = tmp_path / "usr/local/bin/mmscand"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    install(tmp_path)
    remove(tmp_path)
    assert other.read_text() == "mine"


def test_a_link_to_another_installation_stays(tmp_path: Path) -> None:
    install(tmp_path, program=Path("/opt/other/bin/mmscand"))
    remove(tmp_path)
    assert tree(tmp_path) == {"usr/local/bin/mmscand": "/opt/other/bin/mmscand"}


def test_systemd_is_notified_on_this_machine_only(tmp_path: Path) -> None:
    assert not [step for step in plan(tmp_path).install() if isinstance(step, Run)]
    steps = list(plan(tmp_path, live=True, api=True).install())
    commands = [step.command[0] for step in steps if isinstance(step, Run)]
    assert commands == ["systemd-sysusers", "systemctl"]
    install(tmp_path)
    steps = list(plan(tmp_path, live=True).remove())
    assert isinstance(steps[0], Run)
    assert steps[0].command == ("systemctl", "disable", "--now", "mmscand.service")


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    kinds = {type(step) for step in plan(tmp_path, api=True).install()}
    assert kinds == {Write, Link}
    assert list(tmp_path.iterdir()) == []
    install(tmp_path)
    before = tree(tmp_path)
    assert {type(step) for step in plan(tmp_path).remove()} == {Remove}
    assert tree(tmp_path) == before
    assert all(isinstance(step, Note) for step in plan(tmp_path).install())


@pytest.mark.parametrize("api", [False, True])
def test_the_configuration_changes_no_setting(tmp_path: Path, api: bool) -> None:
    install(tmp_path, api=api)
    text = (tmp_path / CONFIG).read_text()
    assert ('\ngroup = "mmscand"' in text) == api
    file = tmp_path / "file"
    file.write_text(text.replace('\ngroup = "mmscand"', '\n# group = "mmscand"'))
    assert load_config(file).settings == Settings()


def test_the_example_is_one_when_every_line_of_it_is_taken(tmp_path: Path) -> None:
    """Each knob with its default: nothing changes, and nothing is a mistake."""
    install(tmp_path)
    lines = []
    for line in (tmp_path / CONFIG).read_text().splitlines():
        name = line.removeprefix("# ").partition(" = ")[0]
        lines.append(line.removeprefix("# ") if name in KNOBS else line)
    assert len(set(lines)) > len(KNOBS)
    file = tmp_path / "file"
    file.write_text("\n".join(lines))
    assert load_config(file).settings == Settings()
    assert sum(line.partition(" = ")[0] in KNOBS for line in lines) == len(KNOBS)
