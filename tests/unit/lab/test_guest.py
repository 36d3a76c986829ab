"""What surrounds the virtual machine: its arguments, its job, its limit. Nothing boots here."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmscand_lab import guest, spec
from mmscand_lab.kernel import GuestKernel, LabError
from mmscand_lab.spec import GuestNode, GuestSpec

KERNEL = GuestKernel("6.12.0", Path("/nonexistent"))


def test_default_guest_is_a_fast_node_with_all_cpus_and_a_slow_one_without() -> None:
    assert spec.virtme_arguments(GuestSpec()) == [
        *("--memory", "3072M", "--cpus", "2"),
        *("--numa", "1024M,cpus=0-1,initiator=0", "--numa", "2048M,initiator=0"),
        *("--numa-distance", "src=0,dst=1,val=20"),
    ]


def test_cpus_are_numbered_through_and_a_slow_node_belongs_to_its_socket() -> None:
    three = GuestSpec(
        (GuestNode(512, cpus=1), GuestNode(512, cpus=2), GuestNode(512, latency_ns=250, near=1))
    )
    numa = [arg for arg in spec.virtme_arguments(three) if "initiator" in arg]
    assert numa == ["512M,cpus=0-0,initiator=0", "512M,cpus=1-2,initiator=1", "512M,initiator=1"]
    assert (three.distance(1, 2), three.distance(0, 2), three.distance(2, 2)) == (20, 28, 10)


def test_hmat_reports_latency_and_bandwidth_of_every_pair_and_far_is_slower() -> None:
    three = GuestSpec((GuestNode(512, cpus=1), GuestNode(512, cpus=1), GuestNode(512, near=1)))
    options = spec.qemu_arguments(three)
    assert len(options) == 2 * 2 * (2 * 3)  # "-numa" and value, two kinds, 2 initiators, 3 targets
    assert any("initiator=1,target=2" in o and "latency=90" in o for o in options)
    assert any("initiator=0,target=2" in o and "latency=180" in o for o in options)
    assert any("initiator=0,target=2" in o and "bandwidth=20480M" in o for o in options)


def test_a_node_that_appears_is_a_dimm_that_stays_offline() -> None:
    later = GuestSpec(
        (*GuestSpec().nodes, GuestNode(256, latency_ns=250, appears=True)), ("quiet",)
    )
    assert spec.virtme_arguments(later) == spec.virtme_arguments(GuestSpec())
    assert spec.kernel_arguments(later) == ("quiet", "memhp_default_state=offline")
    assert spec.kernel_arguments(GuestSpec()) == ()
    options = spec.qemu_arguments(later)
    assert options[:14] == [
        *("-m", "slots=1,maxmem=3328M", "-numa", "node,nodeid=2,initiator=0"),
        *("-numa", "dist,src=0,dst=2,val=20", "-numa", "dist,src=1,dst=2,val=20"),
        *("-object", "memory-backend-ram,id=dimm2,size=256M"),
        *("-device", "pc-dimm,memdev=dimm2,node=2"),
        *(
            "-numa",
            "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=90",
        ),
    ]
    assert "hmat-lb,initiator=0,target=2" in " ".join(options)


def run_job(argv: Sequence[str], results: Path, cwd: Path, **env: str) -> str:
    text = guest.job_script(argv, results=results, cwd=cwd, env=env)
    subprocess.run(["/bin/sh", "-c", text], check=True)
    return (results / "guest-status").read_text().strip()


def test_job_brings_output_and_status_back_by_file(tmp_path: Path) -> None:
    results = tmp_path / 'it\'s a "folder"'
    results.mkdir()
    argv = ["/bin/sh", "-c", 'pwd; echo "$WORD"; echo oops >&2; exit 7', "$(not run)"]
    assert run_job(argv, results, tmp_path, WORD="two  words'") == "7"
    assert (results / guest.STDOUT).read_text() == f"{tmp_path}\ntwo  words'\n"
    assert (results / guest.STDERR).read_text() == "oops\n"


def test_job_that_cannot_start_has_a_status_too(tmp_path: Path) -> None:
    assert run_job(["/nonexistent"], tmp_path, tmp_path) == "127"
    assert run_job(["true"], tmp_path, tmp_path / "absent") != "0"


Fake = Callable[..., Path]


@pytest.fixture
def fake_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """Make `run_in_guest` run this shell text instead of QEMU; gives the results folder."""

    def install(text: str) -> Path:
        @contextmanager
        def planned(*_: object) -> Iterator[list[str]]:
            yield ["/bin/sh", "-c", text]

        monkeypatch.setattr(guest, "_planned", planned)
        return tmp_path / "results"

    return install


def test_a_shell_of_the_guest_begins_in_this_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned_with = []

    @contextmanager
    def planned(
        spec: GuestSpec,
        kernel: GuestKernel,
        shared: Sequence[Path],
        kvm: bool,
        options: Sequence[str],
    ) -> Iterator[list[str]]:
        planned_with.append((list(shared), " ".join(options)))
        yield ["/bin/sh", "-c", "exit 3"]

    monkeypatch.setattr(guest, "_planned", planned)
    monkeypatch.setattr(guest, "kvm_works", lambda kernel: False)
    monkeypatch.setattr(guest, "default_cache", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    assert guest.shell(GuestSpec(), kernel=KERNEL, rw_dirs=[tmp_path]) == 3
    [(shared, options)] = planned_with
    assert shared == [tmp_path]
    assert f"--cwd {tmp_path} " in options
    file = tmp_path / "cache/guest-shell"
    assert options.endswith(f"--shell {file}")
    asked = subprocess.check_output([file], input="command -v mmscand", text=True)
    assert asked == f"{Path(sys.executable).parent / 'mmscand'}\n"


def run_in(results: Path, timeout_s: float = 20.0) -> int:
    return guest.run_in_guest(
        ["true"], spec=GuestSpec(), kernel=KERNEL, results=results, timeout_s=timeout_s, kvm=False
    )


def test_status_is_the_commands_own_and_old_results_are_gone(fake_qemu: Fake) -> None:
    results = fake_qemu("")
    results.mkdir()
    (results / "guest-status").write_text("0\n")
    fake_qemu(f"echo 5 > {results}/guest-status")
    assert run_in(results) == 5
    fake_qemu("true")
    with pytest.raises(guest.GuestLost):
        run_in(results)


def test_lost_guest_names_the_console_log_which_holds_the_reason(fake_qemu: Fake) -> None:
    results = fake_qemu("echo 'qemu: no such device' >&2; exit 1")
    with pytest.raises(guest.GuestLost) as caught:
        run_in(results)
    assert str(results / "console.log") in caught.value.hint
    assert "no such device" in (results / "console.log").read_text()


def test_a_kernel_that_panics_while_it_boots_is_booted_once_more(
    fake_qemu: Fake, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    once = f"if mkdir {tmp_path}/booted; then exit 1; fi"
    fake_qemu(f"{once}; touch {results}/stdout.txt; echo 7 > {results}/guest-status")
    assert run_in(results) == 7


def test_what_was_begun_is_not_begun_again(fake_qemu: Fake, tmp_path: Path) -> None:
    results = tmp_path / "results"
    fake_qemu(f"touch {results}/stdout.txt; echo begun >> {tmp_path}/begun")
    with pytest.raises(guest.GuestLost):
        run_in(results)
    assert (tmp_path / "begun").read_text() == "begun\n"


def test_limit_kills_the_whole_group(fake_qemu: Fake, tmp_path: Path) -> None:
    results = fake_qemu(f"sleep 300 & echo $! > {tmp_path}/pid; wait")
    begin = time.monotonic()
    with pytest.raises(guest.GuestTimeout, match=r"0\.5 s"):
        run_in(results, timeout_s=0.5)
    assert time.monotonic() - begin < 5
    assert wait_gone(int((tmp_path / "pid").read_text()))


def test_status_counts_when_only_the_power_off_hangs(fake_qemu: Fake, tmp_path: Path) -> None:
    results = fake_qemu(f"echo 0 > {tmp_path}/results/guest-status; exec sleep 300")
    assert run_in(results, timeout_s=0.5) == 0


def test_guest_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from mmscand_lab import guest; "
        "guest._run_limited(['/bin/sh', '-c', f'echo $$ > {sys.argv[1]}/pid; exec sleep 300'], "
        "pathlib.Path(sys.argv[1]) / 'log', 300)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    pid_file = tmp_path / "pid"
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
    parent.kill()
    parent.wait()
    assert wait_gone(int(pid_file.read_text()))


def test_kvm_verdict_is_asked_once_a_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probes: list[GuestKernel] = []

    def probe(kernel: GuestKernel) -> bool:
        probes.append(kernel)
        return True

    monkeypatch.setattr(guest, "_probe_kvm", probe)
    monkeypatch.setattr("os.access", lambda path, mode: True)
    assert guest.kvm_works(tmp_path, kernel=KERNEL)
    assert guest.kvm_works(tmp_path, kernel=KERNEL)
    assert len(probes) == 1
    (tmp_path / "kvm-verdict").write_text("another-boot 6.12.0 broken\n")
    assert guest.kvm_works(tmp_path, kernel=KERNEL)
    assert len(probes) == 2


def test_kvm_that_loses_the_guest_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> int:
        raise guest.GuestLost("gone", hint="none")

    monkeypatch.setattr(guest, "run_in_guest", lost)
    monkeypatch.setattr("os.access", lambda path, mode: True)
    assert not guest.kvm_works(tmp_path, kernel=KERNEL)
    assert (tmp_path / "kvm-verdict").read_text().endswith(" broken\n")


def test_no_kvm_device_is_no_kvm_without_a_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert not guest.kvm_works(tmp_path, kernel=KERNEL)
    assert list(tmp_path.iterdir()) == []


def test_without_virtme_ng_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest, "_virtme_run", lambda: "/nonexistent/virtme-run")
    with pytest.raises(LabError, match="virtme-ng") as caught:
        run_in(tmp_path)
    assert "busybox-static" in caught.value.hint


def wait_for(condition: Callable[[], bool], limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_gone(pid: int) -> bool:
    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # An orphan that nobody reaps stays as a zombie; it runs no more.
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()

    return wait_for(gone)
