"""The manifests of packaging/kubernetes, and what the container file says."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "packaging/kubernetes"
BASE, CANARY = KUBERNETES / "base", KUBERNETES / "overlays/canary"
CONTAINERFILE = ROOT / "packaging/container/Containerfile"
Json = dict[str, Any]


def documents(text: str) -> list[Json]:
    """All of a file of YAML."""
    return [each for each in yaml.safe_load_all(text) if each is not None]


def resources(folder: Path) -> list[Json]:
    """What the kustomization in a folder lists, as written; of an overlay that of its base."""
    found = []
    for name in kustomization(folder)["resources"]:
        path = (folder / name).resolve()
        found += resources(path) if path.is_dir() else documents(path.read_text())
    return found


def kustomization(folder: Path) -> Json:
    (found,) = documents((folder / "kustomization.yaml").read_text())
    return found


def has_kustomize() -> bool:
    """Debian 12's kubectl has kustomize 2, which knows no `labels`; Debian 13's has 5."""
    if shutil.which("kubectl") is None:
        return False
    done = subprocess.run(
        ["kubectl", "version", "--client"], capture_output=True, text=True, check=False
    )
    return "Kustomize Version: v5" in done.stdout


def built(folder: Path) -> list[Json]:
    """What kustomize makes of it."""
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def of_kind(found: list[Json], kind: str) -> Json:
    (one,) = (each for each in found if each["kind"] == kind)
    return one
