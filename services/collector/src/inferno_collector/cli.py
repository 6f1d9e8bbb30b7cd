"""Command line of the collector."""

import typer

app = typer.Typer(no_args_is_help=False, add_completion=False)
