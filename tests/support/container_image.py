"""Makes the file system of a stage of the Containerfile, and runs programs in it like a container.

There is no container runtime here. FROM of an image is mmdebstrap's minimal Debian, COPY and RUN
are what the file says. A container is a chroot with a read-only root, the /proc and the pids of the
machine, the capabilities that are named and no others, no_new_privs and the seccomp profile.
"""

import ctypes
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from support.debian_root import DebianRoot
from support.manifests import CONTAINERFILE, ROOT

_LIMIT_S = 300
_RELEASES = {"docker.io/library/debian:13-slim": "trixie"}
_CONTEXT = ("src", "pyproject.toml", "README.md", "LICENSE")
"""What .dockerignore leaves of a checkout."""
_CONTAINED = """
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount --rbind /sys "$0/sys"
mount --rbind /dev "$0/dev"
mount -t tmpfs -o mode=1777 run "$0/run"
mount -o remount,bind,ro "$0"
exec /usr/sbin/chroot "$0" "$@"
"""
_FILTERED = """
import ctypes, os, sys
program = bytes.fromhex(sys.argv[1])
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
filtered = Filter(len(program) // 8, program)
if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filtered), 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Image:
    """Stages of the Containerfile as folders below one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wheels = folder / "wheels"
        self._made: dict[str, DebianRoot] = {}

    def stage(self, name: str) -> DebianRoot:
        """Its file system; stages that it needs are made first, each once."""
        if name not in self._made:
            base, steps = _stages()[name]
            root = self._from(base, self._folder / name)
            for step in steps:
                self._do(root, step)
            self._made[name] = root
        return self._made[name]

    def _from(self, base: str, folder: Path) -> DebianRoot:
        if base in _RELEASES:
            return DebianRoot.made(_RELEASES[base], folder, "minbase")
        source = self.stage(base).folder
        subprocess.run(["cp", "--archive", str(source), str(folder)], check=True, timeout=_LIMIT_S)
        return DebianRoot(folder)

    def _do(self, root: DebianRoot, step: str) -> None:
        verb, _, words = step.partition(" ")
        if verb == "RUN":
            self._require_wheels()
            wheels = root.folder / "wheels"
            shutil.copytree(self._wheels, wheels, dirs_exist_ok=True)
            root.run("sh", "-ec", f"export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\n{words}")
            shutil.rmtree(wheels)
        elif verb == "COPY":
            self._copy(root, words)

    def _copy(self, root: DebianRoot, words: str) -> None:
        if found := re.fullmatch(r"--from=(\S+) (\S+) (\S+)", words):
            source = self.stage(found[1]).folder / found[2].lstrip("/")
            target = root.folder / found[3].lstrip("/")
            subprocess.run(["cp", "--archive", str(source), str(target)], check=True)
            return
        place, target = words.split()
        assert place == "."
        for name in _CONTEXT:
            to = root.folder / target.lstrip("/") / name
            to.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, to)

    def _require_wheels(self) -> None:
        """What pip would download in there, for the Python of Debian 13."""
        if self._wheels.is_dir():
            return
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--dest"]
        download += [str(self._wheels), "--only-binary=:all:", "--python-version=3.13"]
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = [*project["dependencies"], *project["optional-dependencies"]["api"]]
        wanted.append("setuptools>=77")
        subprocess.run([*download, *wanted], check=True, timeout=_LIMIT_S)


def _stages() -> dict[str, tuple[str, list[str]]]:
    """By name: what it begins with, and its steps."""
    found: dict[str, tuple[str, list[str]]] = {}
    text = re.sub(r"\\\n\s*", "", CONTAINERFILE.read_text())
    for line in text.splitlines():
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            found[name] = base, []
        elif line and not line.startswith("#"):
            found[name][1].append(line)
    return found


def entry_point(stage: str) -> list[str]:
    """The program of an image."""
    (line,) = (step for step in _stages()[stage][1] if step.startswith("ENTRYPOINT "))
    found: list[str] = json.loads(line.removeprefix("ENTRYPOINT "))
    return found


ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}


def contained(
    root: DebianRoot, command: list[str], capabilities: list[str], seccomp: bytes | None
) -> subprocess.CompletedProcess[str]:
    """Run it as a container of the DaemonSet; `seccomp` is a program of BPF, see bpf_of."""
    words = command
    if seccomp is not None:
        words = ["/usr/bin/python3", "-c", _FILTERED, seccomp.hex(), *command]
    return subprocess.run(
        entered(root, words, capabilities),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )


def entered(
    root: DebianRoot, command: list[str], capabilities: list[str], user: int = 0
) -> list[str]:
    """The command that runs another one in a container."""
    kept = "".join(f",+{name.lower()}" for name in capabilities)
    bounded = ["setpriv", f"--bounding-set=-all{kept}", "--inh-caps=-all", "--no-new-privs"]
    if user:
        bounded += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    contained = [*bounded, *command]
    return ["unshare", "--mount", "sh", "-ec", _CONTAINED, str(root.folder), *contained]


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp, seccomp.h."""

    _fields_ = (
        ("index", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_OPERATORS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}


def bpf_of(profile: dict[str, Any]) -> bytes:
    """A profile of the OCI runtime specification as a program for the kernel, by libseccomp."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    context = ctypes.c_void_p(library.seccomp_init(_ERRNO | profile["defaultErrnoRet"]))
    for part in profile["syscalls"]:
        action = _ALLOW if part["action"] == "SCMP_ACT_ALLOW" else _ERRNO | part["errnoRet"]
        given = [_comparison(each) for each in part.get("args", ())]
        for name in part["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:  # newer than this library
                continue
            compared = (_Comparison * max(1, len(given)))(*given)
            failed = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(action), number, len(given), compared
            )
            assert failed == 0, f"{name}: {failed}"
    with tempfile.TemporaryFile() as file:
        assert library.seccomp_export_bpf(context, file.fileno()) == 0
        file.seek(0)
        return file.read()


def _comparison(found: dict[str, Any]) -> _Comparison:
    operator = _OPERATORS[found["op"]]
    return _Comparison(found["index"], operator, found["value"], found.get("valueTwo", 0))


def shown(done: subprocess.CompletedProcess[str]) -> str:
    """For a message of an assertion."""
    words = shlex.join(map(str, done.args[6:]))[-200:]
    return f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
