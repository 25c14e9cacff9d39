"""The `careboard` command: run the product, and the few things a person does from a terminal.

Owns: which commands there are. Each is a file of this folder that bears its name and holds it under that name. Holds: a file is
read when its command is run or explained, as most of them bring the whole application along; a mistake of the person is one
sentence on stderr and exit status 2, never a traceback; a secret is printed only where it is the purpose. Alone may import
everything; click, rich and uvicorn are used for the terminal and the server.
"""

from importlib import import_module

import click

COMMANDS = {
    "audit": "The audit trail.",
    "files": "Files: the keys that seal them.",
    "live": "Follow CLASS as it changes, until Ctrl-C; over a lost connection too.",
    "mail": "Mails: what waits, and what could not be delivered.",
    "migrate": "Bring the database up to date and stop.",
    "serve": "Start the database if it is ours, bring it up to date, and serve.",
    "simulate": "Let a domain live through the public API: its people do their work, and its boards move.",
    "user": "Accounts: create one, change a role, disable one.",
}
"""Each command with the first sentence of its help, which the list of them shows without reading their files."""


class Commands(click.Group):
    """The commands, read one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"app.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of them."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Careboard: live boards for healthcare operations. Without a command it serves on 127.0.0.1:8000."""
    if context.invoked_subcommand is None:
        serve = main.get_command(context, "serve")
        assert serve is not None
        context.invoke(serve)
