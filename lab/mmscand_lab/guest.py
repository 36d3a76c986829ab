"""Run a command in a tiered virtual machine over the host's own root file system.

virtme-ng works out the QEMU command line and the initramfs; the lab then runs that command line
itself. So there is one child process, it can be killed completely, and it dies with its parent.
Everything that comes back is a file in the results folder: `STDOUT`, `STDERR` and the exit status.
The console is kept for people and never parsed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmscand_lab.host_files import cache_root
from mmscand_lab.kernel import GuestKernel, LabError, default_cache
from mmscand_lab.spec import GuestSpec, kernel_arguments, qemu_arguments, virtme_arguments

STDOUT = "stdout.txt"
STDERR = "stderr.txt"
_JOB = "guest-job.sh"
_STATUS = "guest-status"
_INITRAMFS = "initramfs"

# Emulated on a busy host a kernel was seen to panic as it booted, once in some hundred boots.
_BOOTS = 2
# A stock kernel boots in 2 s under a working KVM; a broken one hangs in the firmware forever.
_PROBE_LIMIT_S = 15.0
# virtme-ng needs 0.2 s to print the command line; the rest is for a loaded host.
_PLAN_LIMIT_S = 60.0


class GuestTimeout(LabError):
    """Boot and command together took longer than the limit; the guest was killed."""


class GuestLost(LabError):
    """The guest ended before the command did: a panic, a QEMU error, or a kill from outside."""


def run_in_guest(
    argv: Sequence[str],
    *,
    spec: GuestSpec,
    kernel: GuestKernel,
    results: Path,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    rw_dirs: Sequence[Path] = (),
    console_log: Path | None = None,
    kvm: bool | None = None,
    qemu: Sequence[str] = (),
) -> int:
    """Boot the guest, run the command in it as root, return the command's exit status.

    The guest sees the host's files read-only at the same paths, `results` and `rw_dirs`
    read-write, and a /dev/shm of its own for temporary files. `timeout_s` bounds boot and command
    together. `kvm` None means: where it is proven to work. `qemu` are further options of QEMU.
    Raises `GuestTimeout`, `GuestLost` or `LabError`; nothing is left running. The guest also dies
    with the thread that called.
    """
    results = results.resolve()
    results.mkdir(parents=True, exist_ok=True)
    console = console_log or results / "console.log"
    for name in (STDOUT, STDERR, _STATUS):
        (results / name).unlink(missing_ok=True)
    job = job_script(argv, results=results, cwd=cwd or Path.cwd(), env=env or {})
    (results / _JOB).write_text(job, encoding="utf-8")
    use_kvm = kvm_works(kernel=kernel) if kvm is None else kvm
    shared = [results, *rw_dirs]
    script = ["--show-boot-console", "--script-sh", shlex.join(["/bin/sh", str(results / _JOB)])]
    with _planned(spec, kernel, shared, use_kvm, script, qemu) as command:
        for _ in range(_BOOTS):
            ended = _run_limited(command, console, timeout_s)
            if not ended or (results / STDOUT).exists():  # else the command was not begun
                break
    return _status(results, console, timeout_s, ended)


def job_script(argv: Sequence[str], *, results: Path, cwd: Path, env: Mapping[str, str]) -> str:
    """The shell script that the guest runs: the command, its output and status into files."""
    # The root file system is read-only in the guest, /tmp with it.
    variables = {"TMPDIR": "/dev/shm", "PYTHONDONTWRITEBYTECODE": "1", **env}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    out, err, status = (shlex.quote(str(results / name)) for name in (STDOUT, STDERR, _STATUS))
    command = f"( cd {shlex.quote(str(cwd))} && exec {shlex.join(argv)} )"
    run = f"{command} > {out} 2> {err} < /dev/null"
    # The rename makes the status appear whole or not at all.
    finish = f"echo $? > {status}.part && mv {status}.part {status}"
    return "\n".join([*exports, run, finish, ""])


def shell(
    spec: GuestSpec,
    *,
    kernel: GuestKernel,
    cwd: Path | None = None,
    rw_dirs: Sequence[Path] = (),
) -> int:
    """An interactive root shell in the guest on this terminal; returns QEMU's exit status."""
    size = shutil.get_terminal_size()
    terminal = f"virtme_stty_con=rows {size.lines} cols {size.columns} iutf8"
    options = ["--cwd", str(cwd or Path.cwd()), "--kopt", terminal, "--shell", str(_shell_file())]
    with _planned(spec, kernel, rw_dirs, kvm_works(kernel=kernel), options) as command:
        return subprocess.run(mortal(command), check=False).returncode


def _shell_file() -> Path:
    """A shell that finds the commands beside this interpreter. The guest starts it by su(1), which
    does not keep the PATH of its caller.
    """
    file = default_cache() / "guest-shell"
    file.parent.mkdir(parents=True, exist_ok=True)
    commands = shlex.quote(str(Path(sys.executable).parent))
    file.write_text(f"#!/bin/sh\nPATH={commands}:$PATH exec /bin/bash\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def kvm_works(cache: Path | None = None, *, kernel: GuestKernel) -> bool:
    """Whether KVM can run this kernel, proven by a short boot; remembered until the next boot.

    /dev/kvm may exist and still not work, as under nested virtualization.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    folder = default_cache() if cache is None else cache
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    verdict = folder / "kvm-verdict"
    key = f"{boot} {kernel.release} "
    if verdict.exists() and (known := verdict.read_text(encoding="ascii")).startswith(key):
        return known.removeprefix(key).strip() == "works"
    works = _probe_kvm(kernel)
    folder.mkdir(parents=True, exist_ok=True)
    verdict.write_text(f"{key}{'works' if works else 'broken'}\n", encoding="ascii")
    return works


def _probe_kvm(kernel: GuestKernel) -> bool:
    with tempfile.TemporaryDirectory(prefix="mmscand-kvm-") as folder:
        try:
            status = run_in_guest(
                ["true"],
                spec=GuestSpec(),
                kernel=kernel,
                results=Path(folder),
                timeout_s=_PROBE_LIMIT_S,
                cwd=Path("/"),
                kvm=True,
            )
        except (GuestTimeout, GuestLost):
            return False
    return status == 0


@contextmanager
def _planned(
    spec: GuestSpec,
    kernel: GuestKernel,
    shared: Sequence[Path],
    kvm: bool,
    options: Sequence[str],
    qemu: Sequence[str] = (),
) -> Iterator[list[str]]:
    """The QEMU command line for a guest; its initramfs exists while the context does."""
    with tempfile.TemporaryDirectory(prefix="mmscand-guest-") as scratch:
        argv = [_virtme_run(), "--kimg", str(kernel.image), "--mods", "auto", "--force-9p"]
        argv += ["--disable-monitor", *virtme_arguments(spec)]
        argv += [] if kvm else ["--disable-kvm"]
        argv += [f"--rwdir={folder.resolve()}" for folder in shared]
        # Warnings reach the console log; virtme-ng alone would keep even an oops' cause out.
        argv += [
            part for arg in ("loglevel=5", *kernel_arguments(spec)) for part in ("--kopt", arg)
        ]
        argv += ["--dry-run", "--show-command", "--save-initramfs", f"{scratch}/{_INITRAMFS}"]
        argv += [*options, "--qemu-opts", "-machine", "hmat=on" + (",accel=kvm" if kvm else "")]
        # QEMU 7.2 reads what VPMASKMOV masks out: numpy's sort faults at the end of a mapping.
        argv += [] if kvm else ["-cpu", "max,avx2=off"]
        command = shlex.split(_plan([*argv, *qemu_arguments(spec), *qemu], scratch))
        cache_root(Path(scratch, _INITRAMFS))
        yield command


def _plan(argv: list[str], scratch: str) -> str:
    # TMPDIR: virtme-ng makes temporary files, and QEMU recreates one of them when it runs.
    env = {**os.environ, "TMPDIR": scratch, "PATH": _search_path()}
    try:
        done = subprocess.run(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PLAN_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _plan_failed(str(error)) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise _plan_failed((done.stderr.strip() or "no output").splitlines()[-1])
    return lines[-1]


def _plan_failed(reason: str) -> LabError:
    hint = "install mmscand with its lab extra and the host packages qemu-system-x86, "
    return LabError(f"virtme-ng cannot build a guest: {reason}", hint=hint + "busybox-static, kmod")


def _search_path() -> str:
    # modprobe and depmod live in /usr/sbin, which a user's PATH may lack.
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def _virtme_run() -> str:
    # Beside this interpreter, never from PATH: another virtme-ng may be older than ours.
    return str(Path(sys.executable).parent / "virtme-run")


def mortal(command: Sequence[str], by: str = "KILL") -> list[str]:
    """The command, with the signal that ends it when the thread that starts it dies."""
    return ["setpriv", "--pdeathsig", by, "--", *command]


def _run_limited(command: Sequence[str], console: Path, timeout_s: float) -> bool:
    """Run QEMU in a session of its own; False when the limit ended it."""
    with console.open("ab") as log:
        process = subprocess.Popen(
            mortal(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return True


def _status(results: Path, console: Path, timeout_s: float, ended: bool) -> int:
    # A status counts even when the limit struck afterwards, while the guest powered off.
    try:
        return int((results / _STATUS).read_text(encoding="ascii"))
    except FileNotFoundError:
        pass
    where = f"the console log is {console}, the command's output {results / STDERR}"
    if not ended:
        message = f"the guest did not finish within {timeout_s:g} s and was stopped"
        raise GuestTimeout(message, hint=f"give it more time, or look why it hangs: {where}")
    raise GuestLost("the guest ended before the command did", hint=f"look for the reason: {where}")
