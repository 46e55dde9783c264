"""`bauta audit`: protections under every attack that fits them, in a given time, and a verdict for each threat."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bauta.cli.engines import Address, Cpus, EngineName, Gpus, Workers, chosen_engine

if TYPE_CHECKING:
    from bauta.job.engine import Engine
    from bauta.study.audit.request import Request
    from bauta.study.audit.result import Audit

Protections = Annotated[
    list[str] | None,
    typer.Option(
        "--protection",
        help='A spec, as "PMT(steps=40)", "PMT() @ 5" at another cut, module:Class(...) or file.py:Class(...) of your '
        "own, or a folder of `bauta train`; repeat for several.",
    ),
]
Attacks = Annotated[
    list[str] | None,
    typer.Option("--attack", help="A spec, also module:Class(...) or file.py:Class(...); instead of --attackers."),
]
Fail = Annotated[
    list[str] | None,
    typer.Option("--fail-if", help='End with 1 where this is true: "worst linkage > 0.1", "utility < 0.9 for NAME".'),
]


def audit(
    out: Annotated[Path, typer.Option("--out", help="Where rows, tables, faces and the report go: keep it private.")],
    protection: Protections = None,
    recognizer: Annotated[
        str, typer.Option("--recognizer", help="A name from `bauta models list`, or a folder of `bauta train`.")
    ] = "mobilefacenet-casia",
    cut: Annotated[int | None, typer.Option("--cut", help="Layers that the client holds.")] = None,
    data: Annotated[str, typer.Option("--data", help="A name from `bauta datasets list`, or a folder.")] = "lfw",
    public: Annotated[
        str | None, typer.Option("--public", help="Whose faces attackers have; by default others of the data.")
    ] = None,
    attack: Attacks = None,
    attackers: Annotated[str, typer.Option("--attackers", help="standard, strong or all.")] = "standard",
    budget: Annotated[str, typer.Option("--budget", help="How long it may take: 90s, 20m, 2h.")] = "10m",
    pairs: Annotated[int | None, typer.Option("--pairs", min=2, help="How many pairs; by the budget.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What all draws depend on.")] = 0,
    fail_if: Fail = None,
    no_faces: Annotated[bool, typer.Option("--no-faces", help="Keep no picture of a person.")] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    address: Address = None,
    worker_cpus: Cpus = 1,
    worker_gpus: Gpus = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Measure what protections are good for and what they leak, to whom, and say it in words.

    Bare and protected, attackers who know nothing of the protection and those who do. Faces and training are fitted to
    the budget, and what was cut is said. Run it again to go on after a stop. Ends with 1 when a --fail-if is true or
    cannot be answered, or a cell failed.
    """
    from bauta.errors import BautaError, UsageError
    from bauta.job.asked import check_reached
    from bauta.report.auditing import written
    from bauta.study.audit.asking import asked, attacking
    from bauta.study.audit.budget import seconds
    from bauta.study.audit.cast import level
    from bauta.study.audit.conditions import conditions
    from bauta.study.audit.request import Request

    where = chosen_engine(engine, workers, address, worker_cpus, worker_gpus)
    if worker_gpus:
        raise UsageError("An audit computes on processors alone; leave --worker-gpus out.")
    code: dict[str, str] = {}
    protections, watched = ([own(spec, code) for spec in specs or ()] for specs in (protection, attack))
    check_reached(where, [one for _, known in (*protections, *watched) for one in known])
    made = [asked(text, known) for text, known in protections]
    attacks = [one for text, known in watched for one in attacking([text], known)]
    forbidden = conditions(fail_if or [], [one.name for one in made]) if fail_if else []
    time = seconds(budget)
    level(attackers)
    request = Request(
        made,
        recognizer,
        data,
        out,
        cut=cut,
        public=public,
        attackers=attackers,
        attacks=attacks,
        budget=time,
        pairs=pairs,
        seed=seed,
        faces=not no_faces,
        code=code,
    )
    found = with_bar(request, where)
    files = written(found)
    broken = found.found(forbidden)
    if as_json:
        typer.echo(json.dumps(document(found, files, broken)))
    else:
        show(found, files)
        if found.document.gallery:
            sys.stdout.write("It shows real people: keep it to yourself.\n")
    if broken:
        raise BautaError(" ".join(map(str, broken)))
    if found.failed:
        raise BautaError(f"{len(found.failed)} cells could not be measured, the first because: {found.failed[0].note}")


def own(spec: str, code: dict[str, str]) -> tuple[str, tuple[type, ...]]:
    """``file.py:Class(x=1) @ 5`` -> ``Class(x=1) @ 5`` and the class; the digest of its file is entered into `code`.

    Other specs are left as they are, folders too. Raises `UsageError`.
    """
    from bauta.spec import load_class

    head, bracket, rest = spec.partition("(")
    if ":" not in head or Path(spec).expanduser().exists():
        return spec, ()
    place, at, cut = head.partition("@")
    made = load_class(place.strip())
    source = Path(inspect.getfile(made))
    code[place.strip()] = hashlib.sha256(source.read_bytes()).hexdigest()
    return f"{made.__name__}{bracket}{rest}{f' @ {cut.strip()}' if at else ''}", (made,)


def with_bar(request: Request, engine: Engine | None = None) -> Audit:
    """The audit under a bar on standard error, with the time that is left by the plan."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bauta.study.audit.result import measure

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, TextColumn("{task.description}", markup=False), console=console) as bar:
        task = bar.add_task("loading, and measuring what things cost", total=None, left="")

        def told(cell: str, behind: int, cells: int, ahead: float) -> None:
            left = f"about {clock(ahead)} left"
            bar.update(task, completed=behind, total=cells, description=cell, left=left)
            if not console.is_terminal:
                line = f"{behind} of {cells} cells, {left}: {cell}"
                console.print(line, soft_wrap=True, markup=False, highlight=False)

        return measure(request, told, engine=engine)


def clock(seconds: float) -> str:
    """``2 m 05 s``."""
    whole = round(seconds)
    return f"{whole // 60} m {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def show(found: Audit, files: Sequence[Path]) -> None:
    """The verdicts in words, what was cut, and where everything lies."""
    from bauta.report import to_text

    say: Callable[[str], Any] = sys.stdout.write
    for table in found.tables:
        if table.name in ("verdicts", "use"):
            say(f"{table.title}\n\n{to_text(table.rows, digits=2)}\n")
    for verdict in found.verdicts:
        say(f"{verdict.system}, {verdict.threat}: {verdict.word}. {verdict.sentence}\n")
    for title, lines in (
        ("What the time budget made smaller", list(found.cuts)),
        ("Not run", [f"{cell}: {why}" for cell, why in found.absent]),
        ("What wants caution", [f"{flag.cell}: {flag.what}" for flag in found.document.flags]),
    ):
        if lines:
            say(f"\n{title}\n" + "".join(f"  {line}\n" for line in lines))
    say(f"\n{files[-1]}\n")


def document(found: Audit, files: Sequence[Path], broken: Sequence[object]) -> dict[str, Any]:
    """An audit as JSON has it: settings, rows as on disk, verdicts, tables with every digit."""
    from dataclasses import asdict

    from bauta.report.auditing import told
    from bauta.study.records import facts

    return {
        "settings": dict(found.settings),
        **told(found),
        "rows": [facts(row) for row in found.rows],
        "tables": {table.name: asdict(table) for table in found.tables},
        "failed conditions": [str(one) for one in broken],
        "files": [str(file) for file in files],
    }
