"""`careboard files`."""

from pathlib import Path

import click

from app.cli.floors import with_floors
from app.cli.terminal import console, counting, data_option, read_settings, run
from app.main import Floors


@click.group()
def files() -> None:
    """Files: the keys that seal them."""


@files.command("rotate")
@data_option
def files_rotate(data: Path | None) -> None:
    """Seal the key of every file with the newest key; in the data folder that is a new one."""

    async def rotate(floors: Floors) -> None:
        with counting("Files") as told:
            newest = await floors.services.files.rotate_as_master(told)
        console.print(
            f"Every file is under key {newest}. Older keys of the ring open nothing any more; keep them as long as backups."
        )

    run(with_floors(read_settings(data), rotate))
