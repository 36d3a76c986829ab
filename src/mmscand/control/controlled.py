"""What the API needs of a daemon."""

from typing import Any, Protocol

from mmscand.heat.picture import ProcessHeat
from mmscand.observe.event_log import Logged
from mmscand.observe.status import DaemonStatus, ProcessStatus
from mmscand.observe.why import ProcessRates, ProcessWhy
from mmscand.settings_store import SettingsStore


class Controlled(Protocol):
    """A daemon as the API sees it. Called from the API's thread; must answer within a moment."""

    @property
    def settings(self) -> SettingsStore:
        """The knobs in force."""
        ...

    def status(self) -> DaemonStatus:
        """How things stand now."""
        ...

    def configuration(self) -> dict[str, Any]:
        """The configuration in force and where it came from: see config_snapshot.config_object."""
        ...

    def process(self, pid: int) -> ProcessStatus | None:
        """How one process stands; None where it is not watched."""
        ...

    def left_alone(self, pid: int) -> str:
        """Why a process that was chosen is not watched; '' for any other."""
        ...

    def heat(self, pid: int) -> ProcessHeat | None:
        """What is known of the memory of a process; None where it is not watched."""
        ...

    def why(self, pid: int, address: int | None = None) -> ProcessWhy | None:
        """Why its memory is where it is; None where it is not watched."""
        ...

    def rates(self) -> tuple[ProcessRates, ...]:
        """How often pages are accessed, of all processes of which that is known."""
        ...

    def events(self, since: int = 0) -> tuple[Logged, ...]:
        """The latest events, after the one of this number."""
        ...

    def enable(self) -> None:
        """Scan (again)."""
        ...

    def disable(self) -> None:
        """Scan no more; what is queued is still moved."""
        ...

    def reload(self) -> list[str]:
        """Read the configuration again: what changed, in words. UsageError changes nothing."""
        ...
