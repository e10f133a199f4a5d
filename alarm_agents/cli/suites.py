"""`alarm test`: run a scenario test suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alarm_agents.cli.app import JsonOption, app, open_workspace, run_traced
from alarm_agents.cli.output import console, emit, notes
from alarm_agents.cli.report import ReportOption
from alarm_agents.cli.report import write as write_report


@app.command(epilog="Examples: `alarm test suites/ped2.yaml` · `alarm test suites/ped2.yaml --seed 3 --json`")
def test(
    suite: Annotated[Path, typer.Argument(help="The suite's YAML file; paths in it are relative to it.")],
    seed: Annotated[int | None, typer.Option(help="Draw the references with this seed instead of the suite's.")] = None,
    compare: Annotated[
        str, typer.Option(help="Recorded cases: signals and baselines to put side by side, as `margin,majority,tfidf`.")
    ] = "",
    json_: JsonOption = False,
    report: ReportOption = None,
) -> None:
    """Run a suite: teach from its references, watch its cases, measure, and compare with what it expects.

    Exits with 1 when an expectation is not met.
    """
    # What measures takes a second and a half to import (scikit-learn, rouge-score); other verbs need none of it.
    from alarm_agents.evaluation.report import render
    from alarm_agents.evaluation.run import run_suite
    from alarm_agents.evaluation.suite import load_suite

    found = load_suite(suite)
    workspace = open_workspace()
    names = [name.strip() for name in compare.split(",") if name.strip()]
    with notes.status("opening") as status:
        work = run_suite(workspace, found, suite, seed=seed, compare=names, progress=status.update)
        result = run_traced(workspace, work)
    spans = {case["run"]: case["labelled"] for case in result["cases"]}
    write_report(workspace, list(spans), report, labelled=spans, result=result)
    if json_:
        emit(result)
    else:
        console.print(render(result))
    if not result["passed"]:
        raise typer.Exit(1)
