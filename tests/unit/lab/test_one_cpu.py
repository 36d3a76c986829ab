"""CPUs go offline and come back, with a folder in the place of sysfs."""

from pathlib import Path

import pytest

from mmscand_lab.one_cpu import one_cpu


@pytest.fixture
def cpus(tmp_path: Path) -> Path:
    for number, online in {0: None, 1: "1\n", 2: "0\n", 3: "1\n"}.items():
        folder = tmp_path / f"cpu{number}"
        folder.mkdir()
        if online is not None:  # the first CPU has no switch
            (folder / "online").write_text(online)
    (tmp_path / "emulated").write_text("model name\t: QEMU TCG CPU version 2.5+\n")
    (tmp_path / "real").write_text("model name\t: AMD EPYC\n")
    return tmp_path


def states(cpus: Path) -> dict[str, str]:
    return {each.parent.name: each.read_text().strip() for each in cpus.glob("cpu*/online")}


def test_others_are_offline_meanwhile_and_those_that_were_stay_so(cpus: Path) -> None:
    with one_cpu(cpus, cpus / "emulated"):
        assert states(cpus) == {"cpu1": "0", "cpu2": "0", "cpu3": "0"}
    assert states(cpus) == {"cpu1": "1", "cpu2": "0", "cpu3": "1"}


def test_they_come_back_after_an_error(cpus: Path) -> None:
    with pytest.raises(ValueError, match="x"), one_cpu(cpus, cpus / "emulated"):
        raise ValueError("x")
    assert states(cpus)["cpu3"] == "1"


def test_cpus_of_a_real_machine_are_left_alone(cpus: Path) -> None:
    with one_cpu(cpus, cpus / "real"):
        assert states(cpus) == {"cpu1": "1", "cpu2": "0", "cpu3": "1"}
