"""Where each file of the service belongs.

Below a prefix, as file-hierarchy(7) has it: /usr/local for an administrator, /usr for a package.
systemd, man, bash, zsh and fish look in both.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

EXAMPLE = "mmscand.toml"
DEFAULT_PREFIX = Path("/usr/local")
DOCUMENTS = "share/doc/mmscand"
"""Has the example that was installed last, which shows whether the configuration was changed."""
UNITS = "lib/systemd/system"
DAEMON_UNIT, API_UNITS = "mmscand.service", ("mmscand-api.service", "mmscand-api.socket")
SYSUSERS = "lib/sysusers.d/mmscand-api.conf"
DROP_IN = f"{UNITS}/{DAEMON_UNIT}.d/10-mmscand-api.conf"


@dataclass(frozen=True, slots=True)
class Place:
    """One file of the package."""

    name: str
    target: str
    """Below the prefix."""
    api: bool = False
    """Only for `mmscand-api`."""


PLACES = (
    Place(DAEMON_UNIT, f"{UNITS}/{DAEMON_UNIT}"),
    Place("mmscand.8", "share/man/man8/mmscand.8"),
    Place("mmscand.toml.5", "share/man/man5/mmscand.toml.5"),
    Place("mmscand.bash", "share/bash-completion/completions/mmscand"),
    Place("_mmscand", "share/zsh/site-functions/_mmscand"),
    Place("mmscand.fish", "share/fish/vendor_completions.d/mmscand.fish"),
    *(Place(name, f"{UNITS}/{name}", api=True) for name in API_UNITS),
    Place("mmscand-api.sysusers", SYSUSERS, api=True),
    Place("mmscand-api.conf", DROP_IN, api=True),
    Place("mmscand-api.8", "share/man/man8/mmscand-api.8", api=True),
    Place("mmscand-api.bash", "share/bash-completion/completions/mmscand-api", api=True),
    Place("_mmscand-api", "share/zsh/site-functions/_mmscand-api", api=True),
    Place("mmscand-api.fish", "share/fish/vendor_completions.d/mmscand-api.fish", api=True),
)
"""All but the configuration, which belongs to the operator."""


def content(name: str) -> str:
    """The text of a file of the package."""
    return (files("mmscand.service") / "files" / name).read_text(encoding="utf-8")
