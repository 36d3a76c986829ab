"""`mmscand lab`: the commands of the package mmscand-lab, where it is installed."""

import importlib.util

import typer

from mmscand.errors import UsageError


def lab(context: typer.Context) -> object:
    """Try mmscand in virtual machines that have two memory tiers (pip install 'mmscand[lab]')."""
    if importlib.util.find_spec("mmscand_lab") is None:
        raise UsageError("the lab is not installed", hint="pip install 'mmscand[lab]'")
    from mmscand_lab import command  # noqa: PLC0415 - the daemon's package has nothing of it

    return command.app(context.args, prog_name="mmscand lab", standalone_mode=False)
