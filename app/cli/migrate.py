"""`careboard migrate`."""

from pathlib import Path

import click

from app.cli.terminal import console, data_option, read_settings, run
from app.main import prepare


@click.command()
@data_option
def migrate(data: Path | None) -> None:
    """Bring the database up to date and stop."""
    run(prepare(read_settings(data)))
    console.print("The database is up to date.")
