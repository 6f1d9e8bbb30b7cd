"""Command line of the optimizer: serve, or solve and analyse a file without a service."""

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from inferno_optimizer.analysis import analyze
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.plan import make_plan
from inferno_optimizer.quiet import silence_scip
from inferno_optimizer.settings import OptimizerSettings
from inferno_optimizer.tables import analysis_tables, plan_tables
from inferno_shared.contracts import AnalysisRequest, Snapshot, WireModel
from inferno_shared.service import load_settings, serve

_EPILOG = """
**Examples**

`inferno-optimizer` serves POST /optimize and POST /analyze at port 8082.

`curl -s localhost:8081/snapshot | inferno-optimizer solve -` plans for what a collector sees right now.

`inferno-optimizer solve what-if.json --json | jq .totals` prints the plan as JSON.

`inferno-optimizer analyze request.json` sizes one profile for one load.
"""

Input = TypeVar("Input", bound=WireModel)

File = Annotated[str, typer.Argument(metavar="FILE|-", help="JSON file, or - for standard input.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON instead of a table.")]

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode="markdown")


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def serve_optimizer(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Turn a snapshot into the cheapest plan that keeps every SLO.

    Without a command: serve. Settings are environment variables with the prefix INFERNO_.
    """
    if context.invoked_subcommand is None:
        settings = load_settings(OptimizerSettings, host=host, port=port)
        silence_scip()
        serve(create_optimizer_app(settings), settings)


@app.command()
def solve(file: File, *, as_json: AsJson = False) -> None:
    """Plan for a snapshot: the same answer as POST /optimize."""
    plan = make_plan(_read(file, Snapshot))
    if as_json:
        sys.stdout.write(plan.model_dump_json(indent=2) + "\n")
    else:
        _print(plan_tables(plan))


@app.command(name="analyze")
def analyze_file(file: File, *, as_json: AsJson = False) -> None:
    """Size one profile for one load: the same answer as POST /analyze."""
    result = analyze(_read(file, AnalysisRequest))
    if as_json:
        sys.stdout.write(result.model_dump_json(indent=2) + "\n")
    else:
        _print(analysis_tables(result))


def _print(parts: list[object]) -> None:
    console = Console()
    for part in parts:
        console.print(part)


def _read(file: str, model: type[Input]) -> Input:
    """The file's content as a wire type; on any error a message on stderr and exit code 2."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return model.model_validate_json(text)
    except OSError as error:
        typer.echo(f"{file}: {error.strerror or error}; give a JSON file, or - for standard input", err=True)
    except UnicodeDecodeError as error:
        typer.echo(f"{file}: not UTF-8 ({error.reason} at byte {error.start})", err=True)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            where = ".".join(str(part) for part in problem["loc"]) or file
            typer.echo(f"{where}: {problem['msg']}", err=True)
    raise typer.Exit(2)
