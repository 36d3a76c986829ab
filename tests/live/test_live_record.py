"""A recording of a puppet on this kernel. Others may clear bits here: no bit is taken for sure."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mmscand.cli.run import ONE_DAEMON
from mmscand.errors import UsageError
from mmscand.linux.machine import LinuxMachine
from mmscand.record.file import Recording
from mmscand.record.tables import unpack
from support.puppet import Puppet

PAGES = 4096


@pytest.fixture(autouse=True)
def only_one() -> None:
    """Another daemon or recording on this machine, of another test run, say, is waited for."""
    deadline = time.monotonic() + 60
    while ONE_DAEMON.exists() and time.monotonic() < deadline:
        try:
            with ONE_DAEMON.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return  # nobody has it
        except OSError:
            time.sleep(0.5)


def passes_so_far(path: Path) -> int:
    try:
        return len(list(Recording(path).passes()))
    except UsageError:  # it has not begun yet
        return 0


def command(path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "mmscand", "record", str(path), "--json", *options]


def test_two_passes_over_a_puppet(machine: LinuxMachine, tmp_path: Path) -> None:
    puppet, path = Puppet(), tmp_path / "r"
    try:
        address = puppet.map(PAGES)
        recorder = subprocess.Popen(
            command(path, "--pid", str(puppet.pid), "--period-ms", "100", "--seconds", "60"),
            stdout=subprocess.PIPE,
            text=True,
        )
        hot = list(range(0, PAGES, 16))
        deadline = time.monotonic() + 30
        while recorder.poll() is None and time.monotonic() < deadline:
            puppet.touch(address, hot)
            if passes_so_far(path) >= 6:
                break
            time.sleep(0.02)
    finally:
        puppet.exit()
    out, _ = recorder.communicate(timeout=120)
    reported = json.loads(out)
    assert reported["ended"] == "no process is left"
    recording = Recording(path)
    passes = list(recording.passes())
    assert not recording.cut
    assert passes[-1].about["left"][0]
    assert reported["passes"] == passes[-1].about["pass"][0]
    rows = np.concatenate([seen.layout for seen in passes[:1]])
    mine = rows[(rows["address"] >= address) & (rows["address"] < address + PAGES * 4096)]
    assert len(mine) == PAGES // 512
    if (mine["pages_per_slot"] == 1).all():
        assert unpack(mine["present"], mine["pages_per_slot"]).all()
    found = set()
    for seen in passes[1:]:
        bits = unpack(seen.accessed["accessed"], np.ones(len(seen.accessed), dtype=np.uint32))
        at, columns = np.nonzero(bits)
        pages = (seen.accessed["address"][at].astype(np.int64) - address) // 4096 + columns
        found |= {page for page in pages.tolist() if 0 <= page < PAGES}
    assert found <= set(hot)
    assert found


def test_there_is_one_at_a_time_and_kill_9_loses_a_pass_at_most(
    machine: LinuxMachine, tmp_path: Path
) -> None:
    puppet, path = Puppet(), tmp_path / "r"
    try:
        puppet.map(PAGES)
        recorder = subprocess.Popen(
            command(path, "--pid", str(puppet.pid), "--period-ms", "20"), stdout=subprocess.PIPE
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if passes_so_far(path) >= 3:
                break
            time.sleep(0.02)
        second = subprocess.run(
            command(tmp_path / "s", "--seconds", "1"), capture_output=True, text=True, check=False
        )
        assert (second.returncode, (tmp_path / "s").exists()) == (1, False)
        assert f"mmscand already runs as pid {recorder.pid} on a recording to" in second.stderr
        os.kill(recorder.pid, signal.SIGKILL)
        recorder.communicate(timeout=120)
    finally:
        puppet.exit()
    numbers = [int(seen.about["pass"][0]) for seen in Recording(path).passes()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3


@pytest.mark.usefixtures("machine")
def test_a_missing_process_and_a_missing_folder_are_one_line(tmp_path: Path) -> None:
    for options, words in (
        ((tmp_path / "r", "--pid", "999999999"), "no process 999999999"),
        ((tmp_path / "none" / "r", "--seconds", "0"), "No such file"),
    ):
        path, *rest = options
        done = subprocess.run(
            command(Path(path), *map(str, rest)), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_name_that_nobody_has_yet_is_waited_for(machine: LinuxMachine, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "mmscand", "record", str(tmp_path / "r")]
    with subprocess.Popen(
        [*arguments, "--match", "nobody-has-it"], stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        assert "waiting for one" in recorder.stdout.readline() + recorder.stdout.readline()
        assert recorder.poll() is None
        recorder.send_signal(signal.SIGHUP)
        assert recorder.wait(20) == 0
