"""`careboard audit`."""

import json
import sys
from pathlib import Path

import click

from app.actions.audit import Verified, verify
from app.cli.database import with_database_alone
from app.cli.terminal import OneSentence, console, counting, data_option, read_settings, run
from app.config import write_private
from app.store.database import Database


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
@click.option("--anchor", type=click.Path(path_type=Path, dir_okay=False), help="Where chains ended at the last verification.")
@data_option
def audit_verify(anchor: Path | None, data: Path | None) -> None:
    """Compute every link of the audit trail anew: finds an edit, a gap, a reorder, and rows cut off at the end.

    What holds is noted in the anchor file (default audit.anchor in the data folder), and the next time the trail must still hold
    that; keep the file where whoever can change the database cannot. Exit status 1 when something does not hold.
    """
    settings = read_settings(data)
    path = anchor or settings.data_dir / "audit.anchor"
    found: list[Verified] = []

    async def check(database: Database) -> None:
        known = read_anchor(path)
        connection = await database.connect(statement_timeout="0")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            with counting("Rows") as told:
                found.append(await verify(connection, anchor=known, told=told))
        await connection.close()

    run(with_database_alone(settings, check))
    [verified] = found
    for each in verified.breaks:
        console.print(f"[red]broken[/red]  {each.object_id} {each.what}", soft_wrap=True)
    if verified.breaks:
        console.print(
            f"{len(verified.breaks)} of {len(verified.heads)} chains do not hold, from there on. The anchor stays as it was."
        )
        sys.exit(1)
    write_private(path, json.dumps(verified.heads, indent=1) + "\n")
    console.print(
        f"All {verified.rows} rows hold, and the ends of all {len(verified.heads)} chains. Noted in {path}.", soft_wrap=True
    )


def read_anchor(path: Path) -> dict[str, tuple[int, str]] | None:
    """The ends that the last verification noted; None where there was none. Raises OneSentence for another file."""
    if not path.exists():
        return None
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))
        return {str(chain): (int(number), str(link)) for chain, (number, link) in heads.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise OneSentence(f"{path} is no anchor; give the file that `careboard audit verify` wrote.") from error
