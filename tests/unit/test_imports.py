"""The import rules of docs/explanation/architecture.md, as a test."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mmscand

PACKAGE = Path(mmscand.__file__).parent

# What each part may import of mmscand. `model`, `errors`, `sets` and `shown` are everybody's.
ALLOWED = {
    "model": set(),
    "errors": set(),
    "reasons": set(),
    "sizing": set(),
    "sets": set(),
    "shown": set(),
    "clock": set(),
    "machine": set(),
    "knobs": {"mistakes"},
    "settings": {"knobs"},
    "settings_store": {"settings"},
    "heat": set(),
    "engine": {"heat", "policy"},
    "policy": {"heat"},
    "observe": set(),
    "linux": {"machine", "node_lists"},
    "sim": {"engine", "machine", "migrate", "observe", "policy", "scan", "settings"}
    | {"settings_store"},
    "migrate": {"clock", "machine", "observe", "policy", "settings", "settings_store"},
    "scan": {"clock", "engine", "heat", "machine", "migrate", "observe", "policy"}
    | {"settings", "settings_store"},
    "daemon": {"clock", "daemon_status", "heat", "machine", "migrate", "observe", "policy", "scan"}
    | {"settings", "settings_store"},
    "daemon_status": {"machine", "observe", "policy", "scan"},
    "mistakes": set(),
    "node_lists": set(),
    "config_file": set(),
    "config_rules": {"config_file", "mistakes", "scan"},
    "config_socket": {"config_file"},
    "config_nodes": {"config_file", "config_socket", "mistakes", "node_lists"},
    "assignments": {"config_file", "settings"},
    "config": {"assignments", "config_file", "config_nodes", "config_rules", "config_socket"}
    | {"node_lists", "scan", "settings"},
    "config_changes": {"config", "scan", "settings", "settings_store"},
    "config_snapshot": {"config", "config_changes", "config_socket", "node_lists", "scan"}
    | {"settings", "settings_store"},
    "config_schema": {"config_file", "config_rules", "config_socket", "knobs", "settings"},
    "control": {
        "config_socket",
        "heat",
        "knobs",
        "mistakes",
        "observe",
        "settings",
        "settings_store",
    },
    "history": {"clock", "control", "observe"},
    "api": {
        "cli",
        "history",
        "config_socket",
        "control",
        "knobs",
        "mistakes",
        "observe",
        "settings",
    },
    "service": {"config_socket"},
    "heatmap": {"heat", "record"},
    "export": {"history", "observe", "record"},
    "record": {"clock", "heat", "machine", "policy", "sim"},
    "cli": {"assignments", "clock", "config", "config_changes", "config_socket", "control"}
    | {"config_nodes", "config_schema", "config_snapshot", "node_lists"}
    | {
        "daemon",
        "engine",
        "export",
        "heat",
        "heatmap",
        "history",
        "linux",
        "observe",
        "policy",
        "record",
        "scan",
        "service",
        "settings",
        "settings_store",
        "sim",
        "sizing",
        "top",
    },
    "top": {"assignments", "cli", "control", "history", "record"},
}
EVERYBODYS = {"model", "errors", "reasons", "sets", "shown"}
FORBIDDEN_IN_PURE = {"threading", "time", "os", "pathlib", "subprocess", "socket"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if not part.startswith("__"):
            yield part, path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_part_imports_only_what_it_may() -> None:
    for part, path in modules():
        for name in imported(path):
            if name.startswith("mmscand.") and not name.startswith("mmscand.__"):
                target = name.split(".")[1]
                allowed = ALLOWED[part] | EVERYBODYS | {part}
                assert target in allowed, f"{path.name} in {part} imports {name}"


def test_the_package_has_nothing_of_the_lab_but_the_place_of_its_command() -> None:
    knows = {path.name for _, path in modules() for name in imported(path) if "_lab" in name}
    assert knows == {"lab.py"}


def test_heat_and_policy_know_no_thread_clock_or_file() -> None:
    for part, path in modules():
        if part in ("heat", "policy"):
            assert not FORBIDDEN_IN_PURE & {name.split(".")[0] for name in imported(path)}


def test_what_runs_as_root_has_its_own_sets() -> None:
    """numpy's load numpy.ma when they are first called, and hash: see mmscand.sets."""
    numpy_sets = {"unique", "isin", "in1d", "union1d", "intersect1d", "setdiff1d", "setxor1d"}
    for folder in ("linux", "heat", "engine", "policy", "scan", "migrate", "observe"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            if path.name == "bins.py":  # asks for indices: numpy does neither then
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not used & numpy_sets, path


def test_only_the_wiring_knows_both_machines() -> None:
    for part, path in modules():
        if part in ("linux", "sim", "scan", "migrate", "daemon", "heat", "policy"):
            found = {name.split(".")[1] for name in imported(path) if name.startswith("mmscand.")}
            assert not ({"linux", "sim"} - {part}) & found


def test_the_daemon_loads_no_plotting_and_no_terminal_code() -> None:
    heavy = "{'rich', 'matplotlib', 'hypothesis', 'psutil'}"
    ours = "{'mmscand.engine.trial', 'mmscand.sim.workloads', 'mmscand.sim.case'}"
    code = f"import sys, mmscand.cli.run; print(sorted(({heavy} | {ours}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
