"""The steps of an installation: each says what it does, and does it. Done twice is done once."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mmscand.errors import MmscandError


class Step(ABC):
    """Something that is to do."""

    @property
    @abstractmethod
    def words(self) -> str:
        """It, as a line for the person who waits."""

    @abstractmethod
    def do(self) -> None:
        """Do it; MmscandError names what was in the way."""


@dataclass(frozen=True, slots=True)
class Write(Step):
    """A file with this text, readable for all."""

    path: Path
    text: str = field(repr=False)

    @property
    def words(self) -> str:
        """See Step."""
        return f"writes {self.path}"

    def do(self) -> None:
        """Whole or not at all: systemd or a shell may read it meanwhile."""
        part = self.path.with_name(f".{self.path.name}.mmscand")
        with _refused("write", self.path):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                part.write_text(self.text, encoding="utf-8")
                part.chmod(0o644)
                part.replace(self.path)
            except OSError:
                with suppress(OSError):
                    part.unlink()
                raise


@dataclass(frozen=True, slots=True)
class Link(Step):
    """A symbolic link to the program."""

    path: Path
    program: Path

    @property
    def words(self) -> str:
        """See Step."""
        return f"links {self.path} to {self.program}"

    def do(self) -> None:
        """See Step."""
        with _refused("link", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.symlink_to(self.program)


@dataclass(frozen=True, slots=True)
class Remove(Step):
    """A file, and the folders above it that are empty then, up to one that stays."""

    path: Path
    stays: Path

    @property
    def words(self) -> str:
        """See Step."""
        return f"removes {self.path}"

    def do(self) -> None:
        """See Step."""
        with _refused("remove", self.path):
            self.path.unlink()
        for folder in self.path.parents:
            # `lib`, `share` and `bin` themselves are the system's.
            if self.stays in (folder, folder.parent):
                return
            try:
                folder.rmdir()
            except OSError:  # it is not empty
                return


@dataclass(frozen=True, slots=True)
class Run(Step):
    """A command of systemd."""

    command: Sequence[str]

    @property
    def words(self) -> str:
        """See Step."""
        return f"runs {' '.join(self.command)}"

    def do(self) -> None:
        """See Step."""
        try:
            done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise MmscandError(f"cannot run {self.command[0]}: {error.strerror}") from None
        if done.returncode:
            said = " ".join(done.stderr.split())[-200:] or f"exit code {done.returncode}"
            raise MmscandError(f"`{' '.join(self.command)}` failed: {said}")


@dataclass(frozen=True, slots=True)
class Note(Step):
    """Something to know; nothing is done."""

    text: str

    @property
    def words(self) -> str:
        """See Step."""
        return self.text

    def do(self) -> None:
        """Nothing."""


@contextmanager
def _refused(verb: str, path: Path) -> Iterator[None]:
    """MmscandError in place of an OSError."""
    try:
        yield
    except OSError as error:
        hint = "the file system is read-only or full, or not yours to write" if os.geteuid() else ""
        raise MmscandError(f"cannot {verb} {path}: {error.strerror}", hint=hint) from None
