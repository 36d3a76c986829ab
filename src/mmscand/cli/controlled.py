"""The daemon as the control API sees it: with a configuration that can be read again."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mmscand.config import Config
from mmscand.config_changes import other_changes, settings_changes
from mmscand.config_snapshot import config_object
from mmscand.daemon import Daemon
from mmscand.errors import MmscandError
from mmscand.heat.picture import ProcessHeat
from mmscand.observe.event_log import Logged
from mmscand.observe.status import DaemonStatus, ProcessStatus
from mmscand.observe.why import ProcessRates, ProcessWhy
from mmscand.settings_store import SettingsStore


class ControlledDaemon:
    """See control.controlled.Controlled."""

    def __init__(self, daemon: Daemon, config: Config, load: Callable[[], Config]) -> None:
        self._daemon = daemon
        self._config = config
        self._load = load
        self._reloading = threading.Lock()

    @property
    def settings(self) -> SettingsStore:
        """The knobs in force."""
        return self._daemon.settings

    def status(self) -> DaemonStatus:
        """How things stand now."""
        return replace(self._daemon.status(), config_hash=self._config.source.digest)

    def configuration(self) -> dict[str, Any]:
        """See config_snapshot.config_object."""
        return config_object(self._config, self.settings)

    def process(self, pid: int) -> ProcessStatus | None:
        """See Daemon.process."""
        return self._daemon.process(pid)

    def left_alone(self, pid: int) -> str:
        """See Daemon.left_alone."""
        return self._daemon.left_alone(pid)

    def heat(self, pid: int) -> ProcessHeat | None:
        """See Daemon.heat."""
        return self._daemon.heat(pid)

    def why(self, pid: int, address: int | None = None) -> ProcessWhy | None:
        """See Daemon.why."""
        return self._daemon.why(pid, address)

    def rates(self) -> tuple[ProcessRates, ...]:
        """See Daemon.rates."""
        return self._daemon.rates()

    def events(self, since: int = 0) -> tuple[Logged, ...]:
        """See Daemon.events."""
        return self._daemon.events(since)

    def trouble(self) -> str:
        """See Daemon.trouble."""
        return self._daemon.trouble()

    def enable(self) -> None:
        """Scan (again)."""
        self._daemon.enable()

    def disable(self) -> None:
        """Scan no more."""
        self._daemon.disable()

    def reload(self) -> list[str]:
        """Take over the configuration as it is now, but for knobs that were set at run time.

        UsageError takes over nothing.
        """
        with self._reloading:
            new = self._load()
            old = self._config
            reloaded = self.settings.replace_initial(new.settings, others=new.rules != old.rules)
            self._config = new
            self._daemon.set_rules(new.rules)
        return [*settings_changes(reloaded, new), *other_changes(old, new)]

    def reload_or_why_not(self) -> list[str]:
        """For SIGHUP, which nobody waits for: the refusal is a line like the others."""
        try:
            return self.reload() or ["configuration read again, nothing changed"]
        except MmscandError as error:
            return [f"configuration not taken over: {error}"]
