"""A TOML file as tables, with every mistake in it collected and not only the first."""

import importlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from mmscand.errors import Mistakes, UsageError
from mmscand.shown import quoted

_MOST_BYTES = 1 << 20
"""A configuration has kilobytes; more is another file, or a device."""
_TEXT_CHARACTERS = 4096
TEXT_SCHEMA: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": _TEXT_CHARACTERS}
"""What require_text asks for, in JSON schema."""
DIGEST_DIGITS = 12
"""48 bits: of a thousand versions of a file, two have the same with a chance of 2e-9."""
_SHA256 = ("_sha2", "_sha256", "hashlib")
"""Of Python 3.12 and later, of 3.11, and of any: hashlib loads OpenSSL, 3.7 MiB for one digest."""


class Toml(NamedTuple):
    """A file that was read once."""

    tables: dict[str, Any]
    data: bytes
    """All of it; empty without a file."""


def read_toml(path: Path, *, required: bool) -> dict[str, Any]:
    """Its tables; an empty one where the file is missing and is not required."""
    return read_toml_and_data(path, required=required).tables


def read_toml_and_data(path: Path, *, required: bool) -> Toml:
    """The same, and of which bytes."""
    try:
        data = _read(path)
        text = data.decode("utf-8-sig")  # some editors begin with a mark
        import tomllib  # noqa: PLC0415 - mostly there is no file

        return Toml(tomllib.loads(text), data)
    except FileNotFoundError:
        if not required:
            return Toml({}, b"")
        raise UsageError(f"{path}: no such file", hint="name one that is there") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a file to read") from None
    except RecursionError:
        raise UsageError(f"{path}: is nested too deeply", hint="three levels are all") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"{path}: {error}", hint="it has to be TOML in UTF-8") from None


def digest_of(data: bytes) -> str:
    """The first digits of the SHA-256, as sha256sum(1) prints them; '' for nothing."""
    if not data:
        return ""
    for module in _SHA256:
        with suppress(ImportError):
            function: Any = importlib.import_module(module).sha256
            return str(function(data).hexdigest())[:DIGEST_DIGITS]
    raise AssertionError("Python has no SHA-256")


def _read(path: Path) -> bytes:
    # The open of a pipe would wait for a writer, and only a read refuses a directory.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb", buffering=0) as file:
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISCHR(mode)):
            raise UsageError(f"{path}: is a pipe or a socket", hint="name a file to read")
        data = file.read(_MOST_BYTES + 1) or b""
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path}: is larger than 1 MiB", hint="is it the right file?")
    return data


class Found:
    """The mistakes that were found so far."""

    def __init__(self) -> None:
        self._mistakes: list[UsageError] = []

    @contextmanager
    def caught(self, where: str = "") -> Iterator[None]:
        """A UsageError in the block is one more mistake, with its place before it."""
        before = f"{where}: " if where else ""
        try:
            yield
        except Mistakes as error:
            self._mistakes += [UsageError(before + m.message, hint=m.hint) for m in error.mistakes]
        except UsageError as error:
            self._mistakes.append(UsageError(before + error.message, hint=error.hint))

    def __len__(self) -> int:
        return len(self._mistakes)

    def end(self) -> None:
        """UsageError with all of them, if there is one."""
        if self._mistakes:
            raise Mistakes(self._mistakes)


def require_known(table: Mapping[str, Any], keys: Iterable[str]) -> None:
    """UsageError for each key that is none of these."""
    found, known = Found(), list(keys)
    for key in table:
        if key not in known:
            with found.caught():
                hint = f"known are {', '.join(known)}"
                raise UsageError(f"no key {quoted(key)} is known", hint=hint)
    found.end()


def table_of(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A table inside a table."""
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"{key}: is not a table", hint=f"begin it with [{key}]")
    return value


def text_of(table: Mapping[str, Any], key: str) -> str | None:
    """A text that the system is asked about."""
    if (value := table.get(key)) is None:
        return None
    require_text(value)
    if "\0" in value:
        raise UsageError(f"{quoted(value)} has a NUL in it")
    return str(value)


def require_text(value: object) -> None:
    """UsageError for a value that is no text, an empty text, or one that is too long."""
    if not isinstance(value, str):
        raise UsageError(f"{quoted(value)} is not text")
    if not 1 <= len(value) <= _TEXT_CHARACTERS:
        raise UsageError(f"{quoted(value)}: 1 to {_TEXT_CHARACTERS} characters are possible")
