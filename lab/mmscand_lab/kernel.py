"""Find or fetch the kernel that the guest boots: a stock distribution kernel, never installed.

The package is downloaded with ``apt-get download`` and unpacked with ``dpkg -x`` into a cache
folder. A tree appears there under its release name by one rename, when it is complete, so two
runs at once and an interrupted run are both harmless. Every error is a `LabError`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmscand.errors import MmscandError

#: What the host needs beside Python: the emulator, a static busybox for the initramfs that
#: virtme-ng builds, kmod for depmod and modprobe, file because virtme-ng asks it for the release.
HOST_PACKAGES: tuple[str, ...] = ("qemu-system-x86", "busybox-static", "kmod", "file")

#: What makes slow memory slow; without it the lab runs, and all memory is equally fast.
COMPILER_PACKAGES: tuple[str, ...] = ("gcc", "libc6-dev")

#: Packages that name the newest stock kernel, in the order tried: Debian 12, Debian 13, Ubuntu.
META_PACKAGES: tuple[str, ...] = (
    "linux-image-6.12-amd64",
    "linux-image-amd64",
    "linux-image-generic",
)

#: HMAT makes memory tiers from Linux 6.7 on; before it every node lands in one tier.
OLDEST_KERNEL = (6, 7)

_PACKAGE_RE = re.compile(r"linux-(?:image|modules|binary)-(?:unsigned-)?(\d+)\.(\d+)[\w.+~-]*")

# 107 MB over a slow line (1 MB/s) with some room; a mirror that hangs must not hang the lab.
_DOWNLOAD_LIMIT_S = 300.0


class LabError(MmscandError):
    """The lab cannot do what was asked; the message says what failed, the hint what to do."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """One unpacked kernel: its release (as ``uname -r`` prints it) and the tree that holds it."""

    release: str
    root: Path

    @property
    def image(self) -> Path:
        """The compressed kernel image that QEMU loads."""
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        """The folder with the kernel's modules and modules.dep."""
        return self.root / "lib" / "modules" / self.release


def default_cache() -> Path:
    """Where kernels and verdicts are kept: the system's cache for root, else the user's own."""
    if os.geteuid() == 0:
        return Path("/var/cache/mmscand/lab")
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mmscand" / "lab"


def missing_packages(packages: Sequence[str] = HOST_PACKAGES) -> tuple[str, ...]:
    """Those of the packages that are not installed on this Debian or Ubuntu host."""
    return tuple(name for name in packages if not _installed(name))


def ensure_packages(packages: Sequence[str] = HOST_PACKAGES) -> None:
    """Raise `LabError` with the line to type when a host package is missing."""
    missing = missing_packages(packages)
    if missing:
        raise LabError(
            f"the lab needs {', '.join(missing)}, not installed here",
            hint=f"apt-get install --no-install-recommends {' '.join(missing)}",
        )


def cached_kernel(cache: Path) -> GuestKernel | None:
    """The newest complete kernel in the cache folder, or None."""
    found = [GuestKernel(dep.parent.name, dep.parents[3]) for dep in _dep_files(cache)]
    usable = [kernel for kernel in found if kernel.image.exists()]
    return max(usable, key=lambda kernel: _numbers(kernel.release), default=None)


def fetch_kernel(cache: Path | None = None, *, refresh: bool = False) -> GuestKernel:
    """The guest's kernel: the cached one, or the newest stock one, downloaded and unpacked.

    With `refresh` the package lists are asked even when a kernel is cached. Raises `LabError`.
    """
    folder = default_cache() if cache is None else cache
    kernel = cached_kernel(folder)
    if kernel is not None and not refresh:
        return kernel
    packages = resolve_packages()
    release = packages[0].removeprefix("linux-image-").removeprefix("unsigned-")
    if kernel is not None and kernel.release == release:
        return kernel
    folder.mkdir(parents=True, exist_ok=True)
    return download_kernel(packages, release, folder)


def module_files(kernel: GuestKernel, name: str) -> list[Path]:
    """The files of a module and of those that it needs, in the order of loading. `LabError`."""
    argv = ["modprobe", "-d", str(kernel.root), "-S", kernel.release, "--show-depends", name]
    lines = run_command(argv, limit_s=60.0).splitlines()
    return [Path(line.split()[1]) for line in lines if line.startswith("insmod ")]


def resolve_packages() -> tuple[str, ...]:
    """The packages that hold the newest stock kernel, the image first. Raises `LabError`."""
    for meta in META_PACKAGES:
        names = dependencies_of(
            run_command(["apt-cache", "depends", meta], limit_s=60.0, check=False)
        )
        images = [name for name in names if name.startswith("linux-image-")]
        if images:
            # Ubuntu keeps the modules in a package of their own, named by the image package.
            below = run_command(["apt-cache", "depends", images[0]], limit_s=60.0, check=False)
            modules = [name for name in dependencies_of(below) if "-modules-" in name]
            return (images[0], *modules)
    raise LabError(
        f"no stock kernel of {'.'.join(map(str, OLDEST_KERNEL))} or later in the package lists",
        hint="run apt-get update; on Debian 12 enable bookworm-security, which has the 6.12 kernel",
    )


def dependencies_of(listing: str) -> list[str]:
    """The kernel packages, new enough for the lab, that ``apt-cache depends`` output names."""
    names = []
    for line in listing.splitlines():
        relation, _, name = line.strip().partition(" ")
        match = _PACKAGE_RE.fullmatch(name.strip())
        if relation.strip("|") != "Depends:" or match is None:
            continue
        if (int(match[1]), int(match[2])) >= OLDEST_KERNEL and name not in names:
            names.append(name)
    return names


def download_kernel(
    packages: Sequence[str], release: str, cache: Path, apt_options: Sequence[str] = ()
) -> GuestKernel:
    """Download and unpack these packages into the cache. Raises `LabError`."""
    # The scratch folder is in the cache so that the last rename stays on one file system.
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=cache))
    try:
        tree = unpack_packages(packages, scratch, apt_options)
        _index_modules(tree, release)
        return _publish(tree, release, cache)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def unpack_packages(
    packages: Sequence[str], scratch: Path, apt_options: Sequence[str] = ()
) -> Path:
    """Download packages into an empty folder; the tree there that has their files. `LabError`."""
    # Without this option apt warns that its own user cannot enter root's scratch folder.
    argv = ["apt-get", *apt_options, "download", "-o", "APT::Sandbox::User=root", *packages]
    run_command(argv, limit_s=_DOWNLOAD_LIMIT_S, cwd=scratch)
    tree = scratch / "tree"
    for archive in sorted(scratch.glob("*.deb")):
        run_command(["dpkg", "-x", str(archive), str(tree)], limit_s=120.0)
    return tree


def _index_modules(tree: Path, release: str) -> None:
    # Packages made for a merged /usr ship usr/lib/modules only; depmod and virtme-ng read lib/.
    if not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")
    image, elsewhere = GuestKernel(release, tree).image, tree / "lib/modules" / release / "vmlinuz"
    if elsewhere.exists() and not image.exists():  # Debian's packages from 7.3 on
        image.parent.mkdir(exist_ok=True)
        elsewhere.rename(image)
    if not image.exists():
        raise LabError(
            f"the package of kernel {release} holds no boot/vmlinuz-{release}",
            hint="report this with the output of: apt-cache policy linux-image-" + release,
        )
    run_command(["depmod", "-b", str(tree), release], limit_s=60.0)


def _publish(tree: Path, release: str, cache: Path) -> GuestKernel:
    final = GuestKernel(release, cache / release)
    try:
        tree.rename(final.root)
    except OSError:
        # Another run was faster; its tree came by the same rename, so it is complete.
        if not final.image.exists():
            raise
    return final


def _dep_files(cache: Path) -> list[Path]:
    return [path for path in cache.glob("*/lib/modules/*/modules.dep") if path.is_file()]


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release))


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return run_command(query, limit_s=30.0, check=False).strip() == "installed"


def run_command(
    argv: list[str], *, limit_s: float, cwd: Path | None = None, check: bool = True
) -> str:
    """The output of a command. LabError when it is missing, too slow, or (with `check`) fails."""
    # kmod lives in /usr/sbin, which a user's PATH may lack. C: the output is parsed.
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path, "LC_ALL": "C"}
    command = " ".join(argv[:2])
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except FileNotFoundError:
        hint = f"install the packages {' '.join(HOST_PACKAGES)} on Debian or Ubuntu"
        raise LabError(f"{argv[0]} is not installed", hint=hint) from None
    except subprocess.TimeoutExpired:
        hint = "check the package mirror and try again"
        raise LabError(f"{command} took longer than {limit_s:g} s", hint=hint) from None
    if check and done.returncode != 0:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        hint = "run apt-get update, check free space in the cache folder, and try again"
        raise LabError(f"{command} failed: {reason}", hint=hint)
    return done.stdout
