"""`mmscand lab`: the commands of the package mmscand-lab, where it is installed."""

import importlib.util

import click

from mmscand.errors import MmscandError, UsageError


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.pass_context
def lab(context: click.Context) -> object:
    """Try mmscand in virtual machines that have two memory tiers (pip install 'mmscand[lab]')."""
    if importlib.util.find_spec("mmscand_lab") is None:
        raise UsageError("the lab is not installed", hint="pip install 'mmscand[lab]'")
    import typer  # noqa: PLC0415 - the lab has it, the daemon's package does not

    from mmscand_lab import command  # noqa: PLC0415

    try:
        return command.app(context.args, prog_name="mmscand lab", standalone_mode=False)
    except typer.TyperException as error:
        kind = UsageError if error.exit_code == UsageError.exit_code else MmscandError
        raise kind(error.format_message()) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
