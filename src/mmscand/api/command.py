"""The command `mmscand-api`."""

import importlib.util
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from mmscand import __version__
from mmscand.api.rights import drop_root
from mmscand.api.sockets import open_sockets
from mmscand.api.tcp import address_of, require_token, token_of
from mmscand.cli.app import exit_code_of
from mmscand.cli.commands import called
from mmscand.cli.notify import ServiceNotifier
from mmscand.cli.options import PATH
from mmscand.cli.output import complain
from mmscand.cli.signals import Wanted, signals_taken
from mmscand.config_socket import configured_group, configured_socket, require_group
from mmscand.control.client import ControlClient
from mmscand.errors import MachineCannot, UsageError
from mmscand.history.file import DEFAULT_HISTORY
from mmscand.observe.groups import Groups

DEFAULT_API_SOCKET = Path("/run/mmscand-api.sock")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code: 0 done, 1 failed, 2 usage, 3 this machine cannot."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_code_of("mmscand-api", lambda words: called("mmscand-api", api, words), given)


@click.command()
@click.option("--socket", "path", type=PATH, default=DEFAULT_API_SOCKET, help="Serve the API here.")
@click.option(
    "--daemon",
    type=PATH,
    help="Socket of the daemon; that of /etc/mmscand.toml if left out.",
)
@click.option(
    "--group",
    help="Group that may use this socket, and by whose right it uses the daemon's; that of "
    "/etc/mmscand.toml if left out.",
)
@click.option("--user", default="nobody", help="Started as root, it becomes this user.")
@click.option("--listen", help="Serve it over TCP too, on HOST:PORT, as 127.0.0.1:9807.")
@click.option(
    "--token-file",
    type=PATH,
    help="File with the token that changes over TCP take; from other machines reads too.",
)
@click.option("--host-name", multiple=True, help="Name of this machine in URLs; more than once.")
@click.option("--history", type=PATH, help=f"Keep the history in this file. [{DEFAULT_HISTORY}]")
@click.option("--no-history", is_flag=True, help="Keep no history.")
@click.option("--version", "-V", is_flag=True, help="Print the version and exit.")
def api(
    path: Path,
    daemon: Path | None,
    group: str | None,
    user: str,
    listen: str | None,
    token_file: Path | None,
    host_name: tuple[str, ...],
    history: Path | None,
    no_history: bool,
    version: bool,
) -> None:
    """Serve the HTTP API on a unix socket until SIGTERM or SIGINT, by asking the daemon."""
    _require_extra()
    # Before root is given up: its folder may be readable for root alone.
    from mmscand.api.guard import Rights  # noqa: PLC0415 - only where it is installed
    from mmscand.api.history import kept, prepare_folder  # noqa: PLC0415
    from mmscand.api.routes import create_app  # noqa: PLC0415
    from mmscand.api.server import ApiServer  # noqa: PLC0415

    group = group or configured_group()
    gid = None if group is None else require_group(group)
    if os.geteuid() == 0 and gid is None:
        raise UsageError(
            f"user {user} may not use the daemon's socket",
            hint="name a group in [control] of /etc/mmscand.toml and start the daemon again",
        )
    address = None if listen is None else address_of(listen)
    token = None if token_file is None else token_of(token_file)
    if address is not None:
        require_token(address, token)
    rights = Rights(token, names=host_name, loopback=address is None or address.is_loopback)
    client, groups = ControlClient(daemon or configured_socket()), Groups()
    file = None if no_history else history or DEFAULT_HISTORY
    with signals_taken() as signals, ExitStack() as opened:
        socks, places = open_sockets(opened, path, group, address)
        if os.geteuid() == 0 and gid is not None:
            if file is not None:
                prepare_folder(file, user, gid)
            drop_root(user, gid)
        signals.defer()
        must = history is not None
        written = opened.enter_context(kept(file, client, complain, [groups], must=must))
        app = create_app(client, __version__, rights, history=written, groups=groups)
        app.openapi()  # takes 0.1 s and is kept: no client has to wait while another asks for it
        with ApiServer(app, *socks):
            print(f"mmscand-api serves {' and '.join(places)}; stop with SIGTERM", flush=True)
            notifier = ServiceNotifier()
            notifier.ready("serving")
            while signals.wait(None) is not Wanted.END:
                pass
            notifier.stopping()


def _require_extra() -> None:
    needed = ("fastapi", "prometheus_client", "uvicorn")
    lacking = [name for name in needed if not importlib.util.find_spec(name)]
    if lacking:
        raise MachineCannot(
            f"the API needs {', '.join(lacking)}, not installed here",
            hint="pip install 'mmscand[api]'",
        )
