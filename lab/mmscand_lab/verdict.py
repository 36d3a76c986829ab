"""What a scenario promised against what was measured: the rows of the table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mmscand_lab.result import Result
from mmscand_lab.scenario import Scenario

EMULATION = "emulation"
"""`accelerator` of a result without KVM."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table. Without a target it is there to be known, and `ok` is None."""

    figure: str
    value: str
    target: str = ""
    ok: bool | None = None

    @property
    def word(self) -> str:
        """The last column: ok, short, or nothing."""
        return "" if self.ok is None else "ok" if self.ok else "short"


def main_promise_kept(scenario: Scenario, result: Result) -> bool:
    """Whether as many of the hot pages are on the top tier as the scenario wants."""
    return result["hot_promoted_share"] >= scenario.hot_target


def all_kept(scenario: Scenario, result: Result) -> bool:
    """Whether every figure with a target is as it should be."""
    return all(row.ok is not False for row in rows(scenario, result))


def verdict(scenario: Scenario, result: Result) -> str:
    """The whole experiment in a few words."""
    if all_kept(scenario, result):
        return "all as promised"
    kept = main_promise_kept(scenario, result)
    return "not all as promised" if kept else "short of the promise"


def rows(scenario: Scenario, result: Result) -> Sequence[Row]:
    """All figures, the main promise first."""
    return [
        *_promotion(scenario, result),
        *_targets(scenario, result),
        *_moves(result),
        *_speeds(scenario, result),
    ]


def _promotion(scenario: Scenario, result: Result) -> list[Row]:
    hot, cold = result["hot_promoted_share"], result["cold_promoted_share"]
    strict = scenario.hot_target > 0.99
    passes = result["passes_to_99_9" if strict else "passes_to_99"]
    seconds = result["seconds_to_99_9" if strict else "seconds_to_99"]
    found = result["pass_found_99_9" if strict else "pass_found_99"]
    level = "99.9 %" if strict else "99 %"
    return [
        Row(
            "hot pages in the top tier",
            f"{_percent(hot)} of {result['pages_hot']}",
            f">= {_plain_percent(scenario.hot_target)}",
            main_promise_kept(scenario, result),
        ),
        Row(
            f"passes until {level} were",
            "never" if passes is None else f"{passes} ({seconds:.1f} s)",
            f"<= {scenario.passes_target}",
            passes is not None and passes <= scenario.passes_target,
        ),
        Row("pass that found them hot", "none" if found is None else str(found)),
        Row(
            "cold pages in the top tier",
            f"{_percent(cold)} of {result['pages_cold']}",
            f"<= {_plain_percent(scenario.cold_target)}",
            cold <= scenario.cold_target,
        ),
        Row(
            "huge pages split",
            str(result["thp_splits"]),
            f"<= {scenario.splits_target}" if scenario.splits_target else "0",
            result["thp_splits"] <= scenario.splits_target,
        ),
    ]


def _targets(scenario: Scenario, result: Result) -> list[Row]:
    """A row for each node that must be given pages."""
    got = result["pages_promoted_to"]
    return [
        Row(
            f"pages promoted to node {node}",
            str(got.get(str(node), 0)),
            f">= {pages}",
            got.get(str(node), 0) >= pages,
        )
        for node, pages in sorted(scenario.least_pages_to.items())
    ]


def _speeds(scenario: Scenario, result: Result) -> list[Row]:
    if result["tier_speeds"] is not None:
        return _of_all_fast(scenario, result)
    if result["accelerator"] == EMULATION:
        # Both tiers are the same memory of the host, and a core is some thirty times slower.
        return [Row("speed of the program, CPU time of mmscand", "not judged in emulation")]
    return _speed(scenario, result)


def _of_all_fast(scenario: Scenario, result: Result) -> list[Row]:
    """The program's throughput as a share of that with all memory fast, in the same guest."""
    fast = result["app_ops_per_s_all_fast"] or 1e-9
    before, moving, after = (
        result[name] / fast
        for name in ("app_ops_per_s_before", "app_ops_per_s_moving", "app_ops_per_s_after")
    )
    served, least = result["fast_share_after"], scenario.throughput_target
    target, ok = ("", None) if least is None else (f">= {_plain_percent(least)}", after >= least)
    return [
        Row("throughput before mmscand, of all-fast", _whole_percent(before)),
        Row("while pages move", _whole_percent(moving)),
        Row("afterwards", _whole_percent(after), target, ok),
        Row("cache misses that fast memory serves", _whole_percent(served or 0.0)),
    ]


def _speed(scenario: Scenario, result: Result) -> list[Row]:
    """What the program got done, and what the daemon took."""
    cpu = f"{result['daemon_cpu_share_steady']:.1%} once settled"
    return [*_application(scenario, result), Row("daemon, of one core", cpu)]


def _application(scenario: Scenario, result: Result) -> list[Row]:
    before, after = result["app_ops_per_s_before"], result["app_ops_per_s_after"]
    ratio, least = result["app_ops_ratio"], scenario.ops_ratio_target
    value = f"{ratio:.2f} ({before / 1e6:.2f} -> {after / 1e6:.2f} M/s)"
    figure = "app speed, after / before"
    if least is None:
        return [Row(figure, value)]
    return [Row(figure, value, f">= {least:g}", ratio >= least)]


def _moves(result: Result) -> list[Row]:
    failed = ", ".join(f"{pages} {why}" for why, pages in sorted(result["pages_failed"].items()))
    return [
        Row("pages promoted / failed", f"{result['pages_promoted']} / {failed or '0'}"),
        Row("daemon, peak memory", f"{result['daemon_peak_mib']:.1f} MiB"),
    ]


def _percent(share: float) -> str:
    return f"{share:.3%}".replace("%", " %")


def _whole_percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _plain_percent(share: float) -> str:
    return f"{share * 100:g} %"


def as_json(scenario: Scenario, result: Result) -> dict[str, object]:
    """The result with its verdicts, for programs."""
    checks = [asdict(row) for row in rows(scenario, result) if row.ok is not None]
    return {**result, "ok": all_kept(scenario, result), "checks": checks}
