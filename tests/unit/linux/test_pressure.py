"""PSI of memory: the averages of ten seconds, and nothing where the kernel has none."""

from pathlib import Path

from mmscand.linux.pressure import memory_pressure


def test_some_and_full_are_the_averages_of_ten_seconds(tmp_path: Path) -> None:
    file = tmp_path / "memory"
    file.write_text(
        "some avg10=1.53 avg60=0.87 avg300=0.40 total=1234\n"
        "full avg10=0.25 avg60=0.10 avg300=0.05 total=321\n"
    )
    assert memory_pressure(file) == {"some": 1.53, "full": 0.25}


def test_a_kernel_without_psi_says_nothing(tmp_path: Path) -> None:
    assert memory_pressure(tmp_path / "none") == {}
    (tmp_path / "memory").write_bytes(b"\xff some avg10=oops\n")
    assert memory_pressure(tmp_path / "memory") == {}
