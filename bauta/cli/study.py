"""`bauta study`: the studies there are, running one, and the tables of what was measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bauta.cli.engines import Address, Cpus, EngineName, Gpus, Workers, chosen_engine
from bauta.cli.protect import Device, chosen_device
from bauta.errors import BadFile, BautaError, MissingData, UsageError

if TYPE_CHECKING:
    from bauta.study.presets import Settings
    from bauta.study.records import Row
    from bauta.study.tables import Table

app = typer.Typer(no_args_is_help=True, help="Studies: list them, run one, draw its tables.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

PAIRS, QUICK_PAIRS = 1200, 20
ROWS, SETTINGS = "rows.jsonl", "settings.json"
# the columns that say whose line of a table it is
KEYS = (
    *("data", "protection", "authorized", "cut", "layer", "read by", "reader", "picture", "system", "cell"),
    *("leaks", "reads", "attack", "sees", "knows"),
)
# what decides the numbers; a machine, its threads and device decide the time and the last digits
DECISIVE = ("study", "quick", "data", "pairs", "seed", "versions")


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """One study a line: its name, and what it asks."""
    from bauta.cli.records import show
    from bauta.study.presets import STUDIES

    entries = [{"name": name, "what": (study.__doc__ or "").split("\n")[0]} for name, study in STUDIES.items()]
    show(entries, ("name", "what"), as_json)


@app.command("run")
def run_study(
    name: Annotated[str, typer.Argument(help="A name from `bauta study list`.")],
    quick: Annotated[bool, typer.Option("--quick", help="A small part of it, on 20 pairs.")] = False,
    data: Annotated[str, typer.Option("--data", help="A name from `bauta datasets list`, or a folder.")] = "lfw",
    pairs: Annotated[int | None, typer.Option("--pairs", min=2, help="How many pairs; 1,200 by default.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where rows and tables go; out/NAME by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="What all draws depend on.")] = 0,
    device: Device = "auto",
    engine: EngineName = "local",
    workers: Workers = None,
    address: Address = None,
    worker_cpus: Cpus = 1,
    worker_gpus: Gpus = 0,
    as_json: AsJson = False,
) -> None:
    """Measure, cell by cell, and draw the tables. Run it again to go on after a stop, and to try again what failed.

    Pictures are protected on DEVICE, and attacked on the CPU. Ends with 1 when a cell could not be measured, with 3
    when the data set or a network is not here.
    """
    from bauta.faces import load_pairs
    from bauta.job.asked import place_of_work, reached
    from bauta.job.engine import Here
    from bauta.study import records
    from bauta.study.gallery import Gallery, common_faces
    from bauta.study.parts import Measuring, check_split, parts, roll
    from bauta.study.presets import STUDIES, Settings, public_faces

    where = chosen_engine(engine, workers, address, worker_cpus, worker_gpus)
    place = place_of_work(where, chosen_device(device))
    if name not in STUDIES:
        raise UsageError(f"No study is called {name!r}; there are {', '.join(STUDIES)}.")
    study = STUDIES[name]
    if not isinstance(where, Here):
        check_split(name)
    folder = out or Path("out") / (f"{name}-quick" if quick else name)
    number = pairs or (QUICK_PAIRS if quick else PAIRS)
    stated = settings_of(name, quick, data, number, seed, str(place))
    try:
        victims = load_pairs(data, number)
        public = public_faces(data, victims)
    except MissingData as error:
        if as_json:
            absent = records.Row(f"data {data}", data, "utility", "", "failed", None, note=str(error), seed=seed)
            typer.echo(json.dumps({"study": name, "settings": stated, "rows": [records.facts(absent)], "tables": {}}))
        raise
    keep_settings(folder, stated)
    done, show = records.resume(folder / ROWS), Gallery(folder, common_faces(victims))
    settings = Settings(victims, folder, seed, public=public, done=done, show=show, device=place, data=data)
    if isinstance(where, Here):
        measure(lambda told: records.cells(study(changed(settings, progress=told), quick)), settings, folder / ROWS)
    else:
        cells, there = roll(study, settings, quick), Path(data).expanduser().exists()
        source, out_there = reached(where, data) if there else data, Path(reached(where, folder))
        worker = Measuring(study, quick, cells, source, number, out_there, seed, place)
        measure(lambda told: where.run(worker, parts(cells, done)), settings, folder / ROWS)
        records.arrange(folder / ROWS, {cell: number for number, cell in enumerate(cells)})
    show_tables(folder, as_json)


@app.command("tables")
def show_tables(
    folder: Annotated[Path, typer.Argument(help="The folder of a study, finished or not.")], as_json: AsJson = False
) -> None:
    """Draw the tables and the depth curves from the rows that are in a study's folder, and print the tables."""
    from bauta.report import to_text
    from bauta.study import records
    from bauta.study.tables import tables

    rows = list(records.read(folder / ROWS))
    if not rows:
        raise MissingData(f"There are no rows in {folder / ROWS}; run the study first.")
    made = tables(rows)
    files = [*write_tables(folder, made), *draw_curves(folder, rows)]
    if as_json:
        typer.echo(json.dumps(document(folder, rows, made, files)))
    else:
        for table in made:
            typer.echo(f"{table.title}\n\n{to_text(table.rows, digits=table.digits)}")
        typer.echo("\n".join(map(str, files)))
    failures = [row for row in rows if row.value is None]
    if failures:
        raise BautaError(f"{len(failures)} cells could not be measured, the first because: {failures[0].note}")


@app.command("gallery")
def draw_galleries(
    folder: Annotated[Path, typer.Argument(help="The folder of a study, finished or not.")],
    faces: Annotated[int, typer.Option("--faces", min=1, help="At most so many; a study keeps 8 of each cell.")] = 8,
) -> None:
    """Draw the faces as they were, protected, and as each attack brings them back: one picture a system.

    They go to FOLDER/galleries and show real people: keep them to yourself.
    """
    from bauta.report import gallery, save_figure
    from bauta.study.gallery import safe, shown

    found = shown(folder, faces)
    if not found:
        raise MissingData(f"No pictures were kept in {folder}; run a study that attacks pictures first.")
    place = folder / "galleries"
    place.mkdir(exist_ok=True)
    for system, rows in found.items():
        typer.echo(str(save_figure(gallery(rows, title=system), place / f"{safe(system)}.png")))


def settings_of(name: str, quick: bool, data: str, pairs: int, seed: int, device: str) -> dict[str, Any]:
    """What a study was run with, and on what."""
    import torch

    from bauta import __version__

    place = Path(data).expanduser()
    threads = torch.get_num_threads()
    return {
        "study": name,
        "quick": quick,
        "data": str(place.resolve()) if place.exists() else data,
        "pairs": pairs,
        "seed": seed,
        "versions": {"bauta": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "threads": threads, "device": device},
    }


def keep_settings(folder: Path, stated: dict[str, Any]) -> None:
    """Write the settings of a new study; raise `UsageError` where rows of other settings lie."""
    path = folder / SETTINGS
    if path.exists():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            other = [key for key in DECISIVE if earlier.get(key) != stated[key]]
        except (ValueError, AttributeError, RecursionError) as error:
            raise BadFile(f"{path} holds no settings of a study ({error}); give another --out.") from error
        if other:
            changes = ", ".join(f"{key} {earlier.get(key)} and not {stated[key]}" for key in other)
            raise UsageError(f"{folder} holds a study with {changes}; give another --out, or the same settings.")
    elif (folder / ROWS).exists():
        raise UsageError(f"{folder} holds rows, but no {SETTINGS} that says whose they are; give another --out.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        replace(path, json.dumps(stated, indent=1) + "\n")


def measure(
    cells: Callable[[Callable[[int], None]], Iterable[tuple[str, list[Row]]]], settings: Settings, path: Path
) -> None:
    """Run the cells that are not there yet; the rows of each are on disk before anybody hears of the next.

    cells: them, when given what is to be told how many pictures were protected.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from bauta.study import records

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed} cells"), TimeElapsedColumn())
    words = (TextColumn("{task.fields[pictures]} pictures protected"), TextColumn("{task.description}", markup=False))
    with Progress(*columns, *words, console=console) as bar:
        task = bar.add_task("", total=None, completed=len(settings.done), pictures=0)
        pictures = 0

        def protected(number: int) -> None:
            nonlocal pictures
            pictures += number
            bar.update(task, pictures=pictures)

        for cell, rows in cells(protected):
            records.append(path, rows)
            bar.update(task, advance=1, description=cell)
            if not console.is_terminal:
                took, done = bar.tasks[0].elapsed or 0, bar.tasks[0].completed
                console.print(f"{took:.0f} s, {done:.0f} cells: {cell}", soft_wrap=True, markup=False, highlight=False)


def write_tables(folder: Path, made: Sequence[Table]) -> list[Path]:
    """table.md for readers; table.csv for machines, one number a line."""
    from bauta.report import to_csv, to_markdown

    texts = [
        "\n".join(filter(None, (f"## {table.title}\n", table.note and f"{table.note}\n", body)))
        for table in made
        if (body := to_markdown(table.rows, digits=table.digits))
    ]
    brackets = "In brackets: 95 % intervals, from resampling identities.\n"
    lines = [
        {"table": table.name, **{key: row.get(key) for key in KEYS}, "what": column, "value": cell}
        for table in made
        for row in table.rows
        for column, cell in row.items()
        if column not in KEYS and cell is not None
    ]
    return [
        replace(folder / "table.md", "\n".join([brackets, *texts])),
        replace(folder / "table.csv", to_csv(lines) if lines else ""),
    ]


def draw_curves(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """depth_NAME.svg and .png for each recognizer that was cut at more than one place; queries_NAME for each system
    that was asked for similarities."""
    from bauta.report import depth_curve, lines, save_figure
    from bauta.study.found import Found, party
    from bauta.study.gallery import safe
    from bauta.study.tables import depth_rows
    from bauta.study.tables.map2v import query_curves

    found = Found(rows)
    files = []
    for name, system in found.chosen().items():
        points = depth_rows(found, name)
        if len(points) > 1:
            ((_, default),) = party(system).authorized
            figure = depth_curve(points, default=default, title=name, ylabel="accuracy (Eq. 10)")
            files += [save_figure(figure, folder / f"depth_{name}{ending}") for ending in (".svg", ".png")]
    for name, series in query_curves(rows).items():
        figure = lines(series, xlabel="queries of each person", ylabel="PSI (%), 50 is chance", title=name)
        files += [save_figure(figure, folder / f"queries_{safe(name)}{ending}") for ending in (".svg", ".png")]
    return files


def document(folder: Path, rows: Sequence[Row], made: Sequence[Table], files: Sequence[Path]) -> dict[str, Any]:
    """A study as JSON has it: settings, rows as on disk, tables with every digit."""
    from bauta.study.records import facts

    path = folder / SETTINGS
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    tables = {table.name: {k: v for k, v in asdict(table).items() if k != "name"} for table in made}
    return {
        "study": settings.get("study"),
        "settings": settings,
        "rows": [facts(row) for row in rows],
        "tables": tables,
        "files": [str(file) for file in files],
    }


def replace(path: Path, text: str) -> Path:
    """Write a text whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
