"""`careboard simulate`. A domain that has a file `simulate.py` can be simulated; it is read when it is."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click

from app import domains as room
from app.cli.terminal import OneSentence, data_option, read_settings, run
from app.domains.simulation import Options, drive

SIMULATED = sorted(path.parent.name for path in Path(room.__path__[0]).glob("*/simulate.py"))


@click.command()
@click.option(
    "--domain", "domains", multiple=True, type=click.Choice(["all", *SIMULATED]), help="Which domain; all of them if not said."
)
@click.option("--url", default="http://127.0.0.1:8000/parse", show_default=True, help="The REST API to drive.")
@click.option(
    "--size", default=40, show_default=True, type=click.IntRange(1, 100_000), help="Tanks, deliveries, cycles, assets, jobs."
)
@click.option("--speed", default="60x", show_default=True, help="How fast time passes, such as 60x.")
@click.option("--seed", default=7, show_default=True, help="The same seed tells the same story.")
@click.option("--minutes", default=0.0, show_default=True, help="Stop after so many real minutes; 0 runs until Ctrl-C.")
@data_option
def simulate(domains: tuple[str, ...], url: str, size: int, speed: str, seed: int, minutes: float, data: Path | None) -> None:
    """Let a domain live through the public API: its people do their work, and its boards move."""
    settings = read_settings(data)
    try:
        factor = float(speed.rstrip("xX"))
    except ValueError:
        raise OneSentence(f"--speed {speed}: say how many times faster than life, such as 60x.") from None
    names = [name for name in SIMULATED if not domains or "all" in domains or name in domains]
    chosen = {name: import_module(f"app.domains.{name}.simulate").simulate for name in names}
    options = Options(size=size, speed=factor, seed=seed, minutes=minutes)
    with suppress(KeyboardInterrupt):
        run(drive(url, settings.app_id, settings.master_key, chosen, options))
