"""Package lists and packages, of the host's release or of others.

Lists of other releases are kept in a folder of their own: the host's configuration and its lists
stay as they are. The mirror is the one that the host uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmscand_lab.kernel import LabError, run_command

OTHER_RELEASES = ("bookworm", "trixie", "trixie-backports", "sid")
"""Debian releases that have kernels which people run; oldest first."""
_UPDATE_LIMIT_S, _QUERY_LIMIT_S = 300.0, 60.0


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with these options; none for the host's own release."""

    options: tuple[str, ...] = ()

    def names(self, pattern: str) -> list[str]:
        """Packages whose name matches a regular expression."""
        argv = ["apt-cache", *self.options, "search", "--names-only", pattern]
        lines = run_command(argv, limit_s=_QUERY_LIMIT_S, check=False).splitlines()
        return [line.split(" ", 1)[0] for line in lines]

    def depends(self, package: str) -> str:
        """What `apt-cache depends` prints."""
        argv = ["apt-cache", *self.options, "depends", package]
        return run_command(argv, limit_s=_QUERY_LIMIT_S, check=False)


def other_releases(folder: Path) -> Apt:
    """With the lists of other Debian releases, fetched into this folder. LabError."""
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    sources, mirror = folder / "sources.list", _mirror()
    lines = [f"deb {mirror} {release} main\n" for release in OTHER_RELEASES]
    sources.write_text("".join(lines), encoding="ascii")
    options = _options(
        {
            "Dir::Etc::SourceList": str(sources),
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": str(folder / "lists"),
            "Dir::Cache": str(folder / "cache"),
            "Acquire::Languages": "none",
            # Else apt warns that its own user cannot enter root's folder.
            "APT::Sandbox::User": "root",
        }
    )
    run_command(["apt-get", *options, "update"], limit_s=_UPDATE_LIMIT_S)
    return Apt(options)


def _options(values: dict[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in values.items() for word in ("-o", f"{name}={value}"))


def _mirror() -> str:
    """Where the host gets Debian's packages from."""
    argv = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(SUITE)|$(LABEL)"]
    for line in run_command(argv, limit_s=_QUERY_LIMIT_S).splitlines():
        origin, site, _, label = line.split("|")
        if origin == label == "Debian":  # not Debian-Security, which has no other releases
            return site
    raise LabError(
        "no mirror of Debian in the package lists, so there are no kernels of other releases",
        hint="run this on Debian, after apt-get update",
    )
