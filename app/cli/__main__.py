"""`python -m app.cli` is `careboard`."""

from app.cli import main

main()
