"""The kernel's file of generations, and what is written to it."""

from pathlib import Path

import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.mglru import GenerationAger, parse_generations

TEXT = """memcg     1 /
 node     0
          0      38772        153       5673
          1      38772          0       1111
          2      38772       1046       7654
          3      38772       4321          0
 node     1
          0      38772          0          0
          1      38772      65536          0
memcg    27 /system.slice/postgresql.service
 node     0
          5       1000          1          2
          6       1000          3          4
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "enabled").write_text("0x0007\n")
    (tmp_path / "lru_gen").write_text(TEXT)
    return tmp_path / "lru_gen"


def ager_of(file: Path) -> GenerationAger:
    return GenerationAger(file, file.parent / "enabled")


def test_each_cgroup_has_its_number_and_its_youngest_generation_by_node() -> None:
    found = parse_generations(TEXT)
    assert list(found) == ["/", "/system.slice/postgresql.service"]
    assert (found["/"].memcg, found["/"].youngest) == (1, {0: 3, 1: 1})
    assert found["/system.slice/postgresql.service"].youngest == {0: 6}


def test_the_group_is_the_nearest_cgroup_that_has_its_own_memory(file: Path) -> None:
    ager = ager_of(file)
    own = "/system.slice/postgresql.service"
    assert ager.group(own) == own
    assert ager.group(own + "/worker") == own
    for cgroup in ("/user.slice", "/"):
        with pytest.raises(MachineCannot, match="no memory accounting"):
            ager.group(cgroup)


def test_what_is_written_names_cgroup_node_and_generation(file: Path) -> None:
    ager = ager_of(file)
    ager.age("/", [1])
    assert file.read_text() == "+ 1 1 1 1 1\n"
    ager.age("/", [1])  # the kernel has made one more generation meanwhile
    assert file.read_text() == "+ 1 1 2 1 1\n"


def test_an_unknown_group_or_node_is_told(file: Path) -> None:
    with pytest.raises(MachineCannot, match="/nope on node 0"):
        ager_of(file).age("/nope", [0])
    ager = ager_of(file)
    with pytest.raises(MachineCannot, match="on node 7"):
        ager.age("/", [7])


def test_without_mglru_or_its_file_it_says_why(file: Path) -> None:
    (file.parent / "enabled").write_text("0x0000\n")
    with pytest.raises(MachineCannot, match="MGLRU is off"):
        ager_of(file).require()
    (file.parent / "enabled").write_text("0x0007\n")
    file.unlink()
    with pytest.raises(MachineCannot, match=r"no .*lru_gen") as caught:
        ager_of(file).require()
    assert "mount -t debugfs" in caught.value.hint
