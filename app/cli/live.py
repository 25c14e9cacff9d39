"""`careboard live`."""

import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
from rich.text import Text

from app.api.tail import Heard, Lost, follow
from app.cli.terminal import OneSentence, complaints, console, data_option, read_settings, run


@click.command()
@click.argument("class_name", metavar="CLASS")
@click.option("--where", default="{}", show_default=True, help="Which objects, as JSON.")
@click.option("--keys", default=None, help="Only these fields, separated by commas.")
@click.option("--since", default=None, help="Begin behind this cursor.")
@click.option("--snapshot", is_flag=True, help="Begin with what is there.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each frame, cursor included.")
@click.option("--url", default="http://127.0.0.1:8000/parse", show_default=True, help="The REST API of the server.")
@data_option
def live(
    class_name: str,
    where: str,
    keys: str | None,
    since: str | None,
    snapshot: bool,
    as_json: bool,
    url: str,
    data: Path | None,
) -> None:
    """Follow CLASS as it changes, until Ctrl-C; over a lost connection too.

    With CAREBOARD_SESSION_TOKEN in the environment it sees what that session sees, else all, by the master key.
    """
    settings = read_settings(data)
    try:
        condition = json.loads(where)
    except ValueError:
        raise OneSentence(f'--where {where}: give JSON, such as \'{{"urgency": "critical"}}\'.') from None
    query = {"className": class_name, "where": condition}
    if keys:
        query["keys"] = [name.strip() for name in keys.split(",")]
    token = os.environ.get("CAREBOARD_SESSION_TOKEN")
    speaker = {"sessionToken": token} if token else {"masterKey": settings.master_key}
    client_keys = {"restAPIKey": settings.rest_key, "javascriptKey": settings.javascript_key, "clientKey": settings.client_key}
    speaker |= {name: key for name, key in client_keys.items() if key}

    async def tail() -> None:
        show = partial(show_frame, as_json=as_json)
        async for heard in follow(url, {"applicationId": settings.app_id, **speaker}, query, since=since, snapshot=snapshot):
            show(heard)

    with suppress(KeyboardInterrupt):
        run(tail())


STYLES = {"create": "green", "enter": "green", "update": "cyan", "leave": "yellow", "delete": "red"}


def show_frame(heard: Heard | Lost, *, as_json: bool) -> None:
    """Prints one thing that was heard; a loss goes to stderr."""
    if isinstance(heard, Lost):
        complaints.print(f"lost: {heard.reason}; connecting again", style="dim")
        return
    if as_json:
        click.echo(json.dumps(heard.frame))
        return
    shown = heard.frame.get("results", heard.frame.get("object", heard.frame.get("reason")))
    for each in shown if isinstance(shown, list) else [shown]:
        line = Text.assemble((f"{heard.op:10} ", STYLES.get(heard.op, "dim")))
        if isinstance(each, dict):
            line.append(f"{each.get('objectId', '')}  ", "bold")
            plain = {name: value for name, value in each.items() if name not in UNTOLD}
            line.append(json.dumps(plain, ensure_ascii=False))
        elif each is not None:
            line.append(str(each))
        console.print(line, soft_wrap=True)
    console.print(Text(f"{'':10} {heard.frame.get('cursor', '')}", "dim"), soft_wrap=True)


UNTOLD = ("__type", "className", "objectId", "createdAt", "ACL")
"""What a line leaves out."""
