"""What every command has of the terminal: where it prints, its settings, and a mistake told in one sentence.

Owns: `OneSentence`, `read_settings`, `run`, `--data` and the progress bar. Imports config and errors only, so that a command
that needs no more starts at once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.config import Settings, SettingsError, load_settings, with_master_key
from app.errors import ParseError

T = TypeVar("T")

console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

data_option = click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder (default .careboard).")


class OneSentence(click.ClickException):
    """A mistake that is told in one sentence."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """The sentence, without a prefix of its own."""
        click.echo(f"careboard: {self.message}", err=True)


def read_settings(data: Path | None) -> Settings:
    """The settings of this run, with a master key. Raises OneSentence for a wrong value."""
    try:
        return with_master_key(load_settings(data_dir=data))
    except SettingsError as error:
        raise OneSentence(str(error)) from error
    except OSError as error:
        raise OneSentence(f"the data folder cannot be used: {error.strerror}.") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs async work to its end; a refusal becomes one sentence."""
    try:
        return asyncio.run(work)
    except (ParseError, SettingsError) as error:
        raise OneSentence(str(error)) from error


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; what it gives is told how many are done and how many there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
