"""The kernel's file of generations, and what is written to it."""

import errno
import os
from pathlib import Path

import pytest

from mmscand.errors import MachineCannot, OutOfResources
from mmscand.linux.mglru import GenerationAger, parse_generations

TEXT = b"""memcg     1 /
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
    (tmp_path / "lru_gen").write_bytes(TEXT)
    (tmp_path / "cgroup").write_text("0::/system.slice/mmscand.service\n")
    return tmp_path / "lru_gen"


def ager_of(file: Path) -> GenerationAger:
    return GenerationAger(file, file.parent / "enabled", file.parent)


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


def test_an_unknown_group_or_node_is_reported(file: Path) -> None:
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


def entry(memcg: int, path: bytes, youngest: int) -> bytes:
    return b"memcg %5d %s\n node     0\n %10d      10          0           0\n" % (
        memcg,
        path,
        youngest,
    )


@pytest.mark.parametrize(
    "name",
    [b"web front", b"web ", b" web", b"caf\xe9", b"a\x0bb\x0c\x1c\xc2\x85c", b"\r", b"memcg 9 /x"],
)
def test_a_path_is_the_rest_of_its_line_whatever_bytes_it_has(file: Path, name: bytes) -> None:
    file.write_bytes(entry(1, b"/", 3) + entry(7, b"/web", 4) + entry(8, b"/" + name, 5))
    ager, cgroup = ager_of(file), os.fsdecode(b"/" + name)
    assert (ager.group(cgroup), ager.group("/web")) == (cgroup, "/web")
    ager.age(cgroup, [0])
    assert file.read_text() == "+ 8 0 5 1 1\n"


def test_a_memory_controller_in_cgroup_v1_has_other_paths(file: Path) -> None:
    for line in ("4:memory:/", "3:cpu,memory:/x", "3:memory,cpu:/x"):
        (file.parent / "cgroup").write_text(f"5:pids:/memory\n{line}\n0::/x\n")
        with pytest.raises(MachineCannot, match="cgroup v1"):
            ager_of(file).require()
    (file.parent / "cgroup").write_text("5:pids:/memory:/\n0::/4:memory:/\n")
    ager_of(file).require()


def test_another_cgroup_namespace_has_other_paths(file: Path) -> None:
    (file.parent / "ns").mkdir()
    link = file.parent / "ns/cgroup"
    link.symlink_to("cgroup:[4026532177]")
    with pytest.raises(MachineCannot, match="here they have other names"):
        ager_of(file).require()
    link.unlink()
    link.symlink_to("cgroup:[4026531835]")
    ager_of(file).require()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM])
def test_without_descriptors_or_memory_the_group_is_not_given_up(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    ager = ager_of(file)
    ager.group("/system.slice/postgresql.service")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(OutOfResources):
        ager.age("/system.slice/postgresql.service", [0])
