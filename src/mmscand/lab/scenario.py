"""The scenarios of the lab: a workload, a guest, the length of each phase, and what is promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from mmscand.errors import UsageError
from mmscand.lab.spec import GuestSpec
from mmscand.lab.truth import Layout

#: A scenario must show what mmscand does, and nothing else. NUMA balancing moves hot pages to the
#: CPUs too. Huge pages are for who asks: with THP "always", Python itself uses and splits some,
#: and the counters of splits are the machine's.
QUIET_GUEST = GuestSpec(kernel_args=("numa_balancing=disable", "transparent_hugepage=madvise"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One experiment, complete: the same scenario gives the same hot pages everywhere."""

    name: str
    summary: str
    mib: int = 512
    layout: Layout = "random"
    huge: bool = False
    hot_share: float = 0.1
    hot_mib: float | None = None
    """Size of the hot set, instead of a share."""
    write_share: float = 0.5
    seed: int = 1
    before_s: float = 10.0
    converge_limit_s: float = 90.0
    after_s: float = 10.0
    hot_target: float = 0.99
    """Share of the hot pages that must end up on the top tier: the main promise."""
    cold_target: float = 0.01
    """Share of the cold pages that may end up there."""
    passes_target: int = 3
    ops_ratio_target: float | None = None
    """Least operations a second with the daemon, as a share of those without it."""
    guest: GuestSpec = QUIET_GUEST

    def workload_arguments(self) -> list[str]:
        """The options of `mmscand.lab.workload` that make this workload."""
        hot = ("share", self.hot_share) if self.hot_mib is None else ("mib", self.hot_mib)
        argv = ["--mib", str(self.mib), "--layout", self.layout, f"--hot-{hot[0]}", f"{hot[1]:g}"]
        argv += ["--write-share", f"{self.write_share:g}", "--seed", str(self.seed)]
        return [*argv, "--huge"] if self.huge else argv


# "Not lower", with room for the noise of two medians. On a host that does anything else, emulation
# alone moves the figure far more (0.7 to 2.7 was seen), so it never decides the exit code.
_NOT_LOWER = 0.95

_RANDOM = Scenario(
    "random",
    "512 MiB of 4K pages, a random tenth hot",
    hot_target=0.999,
    cold_target=0.0001,
    ops_ratio_target=_NOT_LOWER,
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            _RANDOM,
            Scenario("thp", "512 MiB of huge pages, a random tenth hot", huge=True),
            Scenario("range", "512 MiB of 4K pages, one contiguous tenth hot", layout="range"),
            Scenario("small", "512 MiB of 4K pages, 1 MiB of them hot", hot_mib=1.0),
            replace(
                _RANDOM,
                name="quick",
                summary="64 MiB of 4K pages, a random tenth hot, short",
                mib=64,
                before_s=4.0,
                converge_limit_s=30.0,
                after_s=4.0,
                ops_ratio_target=None,
            ),
        )
    }
)


def scenario_named(name: str) -> Scenario:
    """The scenario of that name; UsageError when there is none."""
    try:
        return SCENARIOS[name]
    except KeyError:
        hint = f"the scenarios are {', '.join(SCENARIOS)}"
        raise UsageError(f"no scenario {name!r}", hint=hint) from None
