"""`mmscand install-service`: units, configuration, man pages and completions in their places."""

import importlib.util
import os
import sys
from pathlib import Path

import click

from mmscand.cli.options import PATH
from mmscand.errors import MachineCannot, UsageError
from mmscand.service.places import DEFAULT_PREFIX, SYSUSERS
from mmscand.service.plan import Plan
from mmscand.service.program import program_of
from mmscand.service.steps import Note

_BOOTED = Path("/run/systemd/system")
"""Is there when systemd is the first process; sd_booted(3)."""
_OF_THE_API = ("fastapi", "uvicorn", "pydantic", "prometheus_client")


@click.command("install-service")
@click.option("--root", type=PATH, help="Install into the file system in this folder; no systemd.")
@click.option("--prefix", type=PATH, default=DEFAULT_PREFIX, help="Put files below this folder.")
@click.option("--program", type=PATH, help="Where mmscand is on that machine.")
@click.option(
    "--api/--no-api",
    default=None,
    help="Files of mmscand-api too, or not; if left out, where the extra `api` is installed.",
)
@click.option("--remove", is_flag=True, help="Take everything away again.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def install_service(
    root: Path | None,
    prefix: Path,
    program: Path | None,
    api: bool | None,
    remove: bool,
    dry_run: bool,
) -> None:
    """Put units, configuration, man pages and completions in their places, and print each.

    Done twice it changes nothing. A configuration that was changed is kept.
    """
    for name, path in (("--prefix", prefix), ("--program", program)):
        if path is not None and not path.is_absolute():
            raise UsageError(f"{name}: {path} does not begin with /", hint="give a whole path")
    if not dry_run:
        _require_rights(root)
    if root is not None and not os.path.isdir(root):  # noqa: PTH112 - Path's raises EACCES
        raise UsageError(f"--root: {root} is no folder", hint="name one that is there")
    plan = Plan(
        root.absolute() if root else Path("/"),
        prefix,
        program or _program(root, remove),
        _has_api() if api is None else api,
        live=root is None,
    )
    for step in plan.remove() if remove else plan.install():
        if not dry_run:
            step.do()
        print(step.words if isinstance(step, Note) or not dry_run else f"(dry run) {step.words}")
    if not remove and not dry_run:
        _say_what_is_next(plan)


def _require_rights(root: Path | None) -> None:
    if root is not None:
        return
    if os.geteuid() != 0:
        raise MachineCannot("only root installs a service", hint="run it with sudo, or give --root")
    if not _BOOTED.is_dir():
        raise MachineCannot(
            "systemd does not run this machine",
            hint="`mmscand run` works without it; --root / puts the files in place all the same",
        )


def _program(root: Path | None, remove: bool) -> Path:
    if remove:  # wherever it is: only links to it are asked for
        return Path(sys.argv[0]).resolve()
    return program_of(sys.argv[0], root or Path("/"))


def _has_api() -> bool:
    return all(importlib.util.find_spec(name) for name in _OF_THE_API)


def _say_what_is_next(plan: Plan) -> None:
    if not plan.api:
        print("left out: mmscand-api, as its packages are not here (pip install 'mmscand[api]')")
    if plan.api and not plan.live:
        print(f"next, on that machine: `systemd-sysusers {plan.prefix / SYSUSERS}`")
    units = "mmscand mmscand-api.socket mmscand-api" if plan.api else "mmscand"
    print(f"next: `mmscand check`, and then `systemctl enable --now {units}`")
