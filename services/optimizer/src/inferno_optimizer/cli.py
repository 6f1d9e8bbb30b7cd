"""Command line of the optimizer: serve, or solve and analyse a file without a service."""

import os
import sys
from functools import partial
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console

from inferno_optimizer.analysis import analyze
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.plan import make_plan
from inferno_optimizer.queueing import SizedOnce
from inferno_optimizer.quiet import silence_scip
from inferno_optimizer.reading import UnreadableInputError, read
from inferno_optimizer.settings import OptimizerSettings
from inferno_optimizer.tables import analysis_tables, plan_tables
from inferno_optimizer.whatif import ScenarioError, what_if
from inferno_optimizer.whatif.tables import what_if_tables
from inferno_shared.contracts import AnalysisRequest, OptimizeRequest, WireModel
from inferno_shared.service import load_settings, serve

_EPILOG = """
**Examples**

`inferno-optimizer` serves POST /optimize, /analyze and /optimizeOne at port 8082.

`curl -s localhost:8081/snapshot | inferno-optimizer solve -` plans for what a collector sees right now.

`inferno-optimizer solve what-if.json --json | jq .base.totals` compares scenarios with a base plan.

`inferno-optimizer analyze request.json` sizes one profile for one load.
"""

_SOLVE_EPILOG = """
**Examples**

`inferno-optimizer solve snapshot.json` prints who gets what, why, and how good the plan is proven to be.

`jq '.policy.unlimited = false' snapshot.json | inferno-optimizer solve -` plans within the nodes' devices.

`jq '. + {scenarios: [{name: "launch", load: [{factor: 3}]}]}' snapshot.json | inferno-optimizer solve -`
plans for three times the load beside it, and prints what differs.

`inferno-optimizer solve snapshot.json --json | jq '.allocations[] | {name, replicas, message}'`
"""

_ANALYZE_EPILOG = """
**Example**

`echo '{"parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41}, "max_batch_size": 4,
"cost_per_hour": 50, "load": {"arrival_rate_rpm": 37.5, "output_tokens": 279},
"slo": {"itl_ms": 24, "ttft_ms": 500}}' | inferno-optimizer analyze -` answers 3 replicas.
"""

UNWRAPPED_COLUMNS: Final = 10_000

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


@app.command(epilog=_SOLVE_EPILOG)
def solve(file: File, *, as_json: AsJson = False) -> None:
    """Plan for a snapshot, and for the scenarios in it: the same answer as POST /optimize."""
    request = _read(file, OptimizeRequest)
    if not request.scenarios:
        plan = make_plan(request.snapshot())
        _answer(plan, plan_tables(plan), as_json=as_json)
        return
    try:
        answer = what_if(request.snapshot(), request.scenarios, partial(make_plan, size=SizedOnce()))
    except ScenarioError as error:
        raise _refused(*(f"{c.field}: {c.message}" for c in error.complaints)) from error
    _answer(answer, what_if_tables(answer), as_json=as_json)


@app.command(name="analyze", epilog=_ANALYZE_EPILOG)
def analyze_file(file: File, *, as_json: AsJson = False) -> None:
    """Size one profile for one load: the same answer as POST /analyze."""
    result = analyze(_read(file, AnalysisRequest))
    _answer(result, analysis_tables(result), as_json=as_json)


def _answer(answer: WireModel, tables: list[object], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(answer.model_dump_json() + "\n")
        return
    # What goes to a file or through a pipe is not wrapped, so that lines can be searched.
    wrapped = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if wrapped else UNWRAPPED_COLUMNS)
    for part in tables:
        console.print(part, highlight=False, markup=False)


def _read(file: str, model: type[Input]) -> Input:
    try:
        return read(file, model)
    except UnreadableInputError as error:
        raise _refused(*error.lines) from error


def _refused(*lines: str) -> typer.Exit:
    """What is wrong on stderr, a line each, and exit code 2."""
    for line in lines:
        typer.echo(line, err=True)
    return typer.Exit(2)
