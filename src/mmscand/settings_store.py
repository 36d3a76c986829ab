"""The settings in force, and the ways to change them while the daemon runs."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmscand.settings import KNOBS, Changed, Settings, changed, require_knobs, values_of


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a configuration that was read again led to."""

    before: Settings
    settings: Settings
    at_run_time: tuple[str, ...]
    """Knobs that were set while it ran and differ from the configuration; they stay as they are."""
    clamped: tuple[str, ...]


class SettingsStore:
    """The settings in force; safe from any thread. Ask `current` each time, and keep nothing."""

    def __init__(self, initial: Settings | None = None) -> None:
        self._lock = threading.Lock()
        self._initial = initial or Settings()
        self._current = self._initial
        self._at_run_time: dict[str, Any] = {}
        """Knobs that were changed and not reset since: the configuration does not change them."""
        self._listeners: list[Callable[[], None]] = []
        self._requirements: list[Callable[[Settings], None]] = []
        self.generation = 0
        """Changes since the start that took effect; of a reload with all its parts one."""

    @property
    def current(self) -> Settings:
        """As of now."""
        return self._current

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after every change: it wakes the threads that sleep by the old settings."""
        self._listeners.append(listener)

    def require(self, requirement: Callable[[Settings], None]) -> None:
        """Take over only settings for which this raises no UsageError: present and later ones."""
        requirement(self._current)
        self._requirements.append(requirement)

    def _check(self, wanted: Settings) -> None:
        for requirement in self._requirements:
            requirement(wanted)

    def change(self, changes: Mapping[str, Any]) -> Changed:
        """Apply all changes at once, or raise UsageError and apply none."""
        with self._lock:
            result = self._take(changes)
            self._at_run_time |= {name: getattr(result.settings, name) for name in changes}
        self._tell()
        return result

    def reset(self, names: Iterable[str] = ()) -> Settings:
        """Back to the values of the configuration; all of them when no name is given."""
        names = list(names) or list(KNOBS)
        require_knobs(names)
        with self._lock:
            result = self._take({name: getattr(self._initial, name) for name in names})
            for name in names:
                self._at_run_time.pop(name, None)
        self._tell()
        return result.settings

    def _take(self, changes: Mapping[str, Any]) -> Changed:
        result = changed(self._current, changes)
        self._check(result.settings)
        self.generation += result.settings != self._current
        self._current = result.settings
        return result

    @property
    def at_run_time(self) -> Mapping[str, Any]:
        """Knobs that were changed and not reset since, with what they were set to."""
        return dict(self._at_run_time)

    @property
    def initial(self) -> Settings:
        """As the configuration has them."""
        return self._initial

    def replace_initial(self, initial: Settings, *, others: bool = False) -> Reloaded:
        """Take over a configuration that was read again; what was set at run time stays.

        `others`: more than settings changes with it, so it is another generation in any case.
        """
        with self._lock:
            self._check(initial)
            result = changed(initial, self._at_run_time)
            self._check(result.settings)
            now = initial, result.settings
            self.generation += others or now != (self._initial, self._current)
            before, (self._initial, self._current) = self._current, now
            file, used = map(values_of, now)
            stay = tuple(name for name in self._at_run_time if used[name] != file[name])
        self._tell()
        return Reloaded(before, result.settings, stay, result.clamped)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()
