"""What there is to do so that a service is installed, or gone. Looks at files and changes none."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmscand.config_socket import DEFAULT_FILE
from mmscand.service.places import (
    API_UNITS,
    DAEMON_UNIT,
    DOCUMENTS,
    EXAMPLE,
    PLACES,
    SYSUSERS,
    UNITS,
    content,
)
from mmscand.service.program import started_from
from mmscand.service.steps import Link, Note, Remove, Run, Step, Write

_GROUP = 'group = "mmscand"'
_ADMINS_UNITS = Path("/etc/systemd/system")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to, and what."""

    root: Path
    """The file system of the machine that is to have the service; / for this one."""
    prefix: Path
    program: Path
    """Where `mmscand` is, as that machine sees it."""
    api: bool
    """The files of `mmscand-api` too."""
    live: bool
    """That machine is this one, and systemd runs: notify it."""

    def install(self) -> Iterator[Step]:
        """The steps; none that changes a file where all is as it should be."""
        places = [place for place in PLACES if self.api or not place.api]
        for place in places:
            yield from self._written(
                self._below(place.target), started_from(content(place.name), self.program)
            )
        yield from self._configuration()
        yield from self._link("mmscand")
        if self.api:
            yield from self._link("mmscand-api")
        for unit in (DAEMON_UNIT, *API_UNITS):
            other = self._inside(_ADMINS_UNITS / unit)
            # A mask, or what `systemctl enable` made, is a link.
            if other.is_file() and not other.is_symlink():
                yield Note(f"note: {other} comes before it; remove it if it is an old copy")
        if self.live and self.api:
            yield Run(("systemd-sysusers", str(self.prefix / SYSUSERS)))
        if self.live:
            yield Run(("systemctl", "daemon-reload"))

    def remove(self) -> Iterator[Step]:
        """The steps; a configuration that somebody changed stays, and so does the history."""
        units = [
            unit for unit in (DAEMON_UNIT, *API_UNITS) if self._below(f"{UNITS}/{unit}").exists()
        ]
        if self.live and units:
            yield Run(("systemctl", "disable", "--now", *units))
        file, example = self._inside(DEFAULT_FILE), self._below(f"{DOCUMENTS}/{EXAMPLE}")
        if (text := _read(file)) is not None:
            if text in (_read(example), self._example()):
                yield Remove(file, file.parent)
            else:
                yield Note(f"keeps {file}: it was changed")
        targets = [place.target for place in PLACES] + [f"{DOCUMENTS}/{EXAMPLE}"]
        for path in map(self._below, targets):
            if path.exists():
                yield Remove(path, self._below(""))
        for name in ("mmscand", "mmscand-api"):
            link = self._below(f"bin/{name}")
            if link.is_symlink() and link.readlink() == self.program.with_name(name):
                yield Remove(link, self._below(""))
        if self.live and units:
            yield Run(("systemctl", "daemon-reload"))
        if (history := self._inside(Path("/var/lib/mmscand-api"))).exists():
            yield Note(f"keeps {history}: the history of mmscand-api")

    def _written(self, path: Path, text: str) -> Iterator[Step]:
        yield Note(f"has {path}") if _read(path) == text else Write(path, text)

    def _configuration(self) -> Iterator[Step]:
        """The example, and a configuration where there is none, or that of another version."""
        file, example = self._inside(DEFAULT_FILE), self._below(f"{DOCUMENTS}/{EXAMPLE}")
        ours, before, now = self._example(), _read(example), _read(file)
        # The configuration first: where it fails the example still says that it was not changed.
        if now is None or now == before:
            yield from self._written(file, ours)
        elif now != ours:
            yield Note(f"keeps {file}: it was changed; {example} is new")
            if self.api and _GROUP not in now:
                yield Note(f"note: mmscand-api needs `{_GROUP}` in its [control]")
        yield from self._written(example, ours)

    def _example(self) -> str:
        text = content(EXAMPLE)
        return text.replace(f"# {_GROUP}", _GROUP) if self.api else text

    def _link(self, name: str) -> Iterator[Step]:
        """The command on everybody's PATH, where no other is in its place."""
        path, program = self._below(f"bin/{name}"), self.program.with_name(name)
        if str(program) in (str(self.prefix / "bin" / name), f"/usr/bin/{name}"):
            return
        if not os.path.lexists(path):
            yield Link(path, program)
        elif path.is_symlink() and path.readlink() == program:
            yield Note(f"has {path}")
        else:
            yield Note(f"keeps {path}: it is another command than {program}")

    def _inside(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    def _below(self, target: str) -> Path:
        return self._inside(self.prefix) / target


def _read(path: Path) -> str | None:
    """The text of a file, or None where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
