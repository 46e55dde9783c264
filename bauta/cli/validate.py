"""`bauta validate`: what a complete recognizer gives away to whoever is told similarities, by MAP2V."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bauta.cli.protect import Device, chosen_device
from bauta.errors import BadFile, UsageError

if TYPE_CHECKING:
    from bauta.attacks.reconstruction.search import LatentSearch
    from bauta.generators import FacePrior
    from bauta.study.records import Row
    from bauta.study.validation import Targets
    from bauta.study.validationjob import Results, ValidationJob
    from bauta.types import Faces

SETTINGS, ROWS, SHEET, QUESTIONS = "settings.json", "rows.json", "sheet.png", "questions.html"
COLUMNS = 20  # of the contact sheet
SAID = ("system", "attack", "limit")  # once, and not in every line

Recognizer = Annotated[
    str | None, typer.Option("--recognizer", help="A name from `bauta models list`, or a folder of `bauta train`.")
]
Protection = Annotated[
    list[str] | None, typer.Option("--protection", help='A spec as "AdvFace(epsilon=0.3)"; repeat for several.')
]
Foreign = Annotated[
    str | None, typer.Option("--pipeline", help="Instead: module:Class or file.py:Class, with templates(faces).")
]
Prior = Annotated[
    str | None,
    typer.Option(
        "--prior", help='"Eigenfaces(components=256)", "AutoencoderPrior()", a StyleGAN2 checkpoint, a folder.'
    ),
]
Search = Annotated[str | None, typer.Option("--attack", help='"Map2V(...)" as published, or "Map2VFast(...)".')]
Limits = Annotated[
    list[str] | None, typer.Option("--oracle", help='What it answers at most: "QuantizedScores(0.01)"; repeat.')
]
Validators = Annotated[
    list[str] | None,
    typer.Option("--validators", help="A recognizer that takes no part; repeat. All that are here by default."),
]


def validate(
    out: Annotated[Path, typer.Option("--out", help="Where faces and scores go; real people's: keep it private.")],
    recognizer: Recognizer = None,
    cut: Annotated[int | None, typer.Option("--cut", help="Layers that the client holds.")] = None,
    protection: Protection = None,
    pipeline: Foreign = None,
    enrolled_only: Annotated[
        bool, typer.Option("--enrolled-only", help="Live pictures pass no protection: a protected database.")
    ] = False,
    data: Annotated[str, typer.Option("--data", help="A name from `bauta datasets list`, or a folder.")] = "lfw",
    victims: Annotated[int, typer.Option("--victims", min=2, help="People who are enrolled and searched for.")] = 20,
    pairs: Annotated[
        int, typer.Option("--pairs", min=4, help="Pairs of the data that give them; of LFW unseen ones.")
    ] = 600,
    public: Annotated[
        str | None, typer.Option("--public", help="Whom the prior learns from; by default others of the data.")
    ] = None,
    public_limit: Annotated[int, typer.Option("--public-limit", min=1, help="At most so many public faces.")] = 4000,
    prior: Prior = None,
    attack: Search = None,
    queries: Annotated[int, typer.Option("--queries", min=1, help="Pictures asked about for each victim.")] = 2000,
    oracle: Limits = None,
    validators: Validators = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Victims that are searched for at once.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What all draws depend on.")] = 0,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Enroll people in a complete, protected system, search for their faces by its similarities alone, and score them.

    PSI: is the reconstruction accepted as the enrolled picture, PSII: as other pictures of that person; 50 is chance
    and 100 a full leak, by the attacked system and by recognizers that took no part. Run it again to go on after a
    stop. OUT gets rows, reconstructions, a contact sheet, and a page of questions for human eyes.
    """
    import torch

    from bauta import __version__
    from bauta.cli.systems import halves, system_of, validating
    from bauta.study.run import seed_everything
    from bauta.study.validation import OWN, Reader, reading
    from bauta.study.validationjob import ValidationJob

    limits = oracle or []
    check_limits(limits)
    place = chosen_device(device)
    name = f"{pipeline or recognizer}" + "".join(f" + {spec}" for spec in protection or ())
    stated = {
        "system": name,
        "cut": cut,
        "enrolled only": enrolled_only,
        "data": data,
        "victims": victims,
        "pairs": pairs,
        "public": public,
        "public limit": public_limit,
        "prior": prior,
        "attack": attack,
        "queries": queries,
        "oracle": limits,
        "batch": batch,
        "seed": seed,
        "versions": {"bauta": __version__, "torch": torch.__version__},
    }
    search = search_of(attack, prior, queries)
    found, held = people(data, pairs, victims, public, public_limit, seed)
    seed_everything(seed, "validate")
    provider, attacker = halves(held) if protection else (held, held)
    system = system_of(name, recognizer, cut, protection or [], pipeline, enrolled_only, provider, place)
    keep(out, stated)
    search = search.fit(attacker, system)
    search.prior.to(place)
    results = with_bar(ValidationJob(out, system, found, search, queries, limits, batch, seed))
    readers = [Reader(OWN, system.asked, found)]
    readers += [Reader(who, reading(who, place), found) for who in validating(validators, recognizer)]
    rows = list(results.rows(readers))
    show(stated, rows, written(out, stated, rows, results), as_json)


def check_limits(limits: list[str]) -> None:
    """Raise `UsageError` for a limit that cannot be read, before anything is done."""
    import torch

    from bauta.attacks import AnySystem
    from bauta.study.validation import limited

    limited(AnySystem(lambda images, target: torch.zeros(len(images))), limits)


def search_of(attack: str | None, prior: str | None, queries: int) -> LatentSearch:
    """The search that is asked for, with the prior. Raises `UsageError`, and what a prior's file may raise."""
    from bauta.attacks import ALL, STARTS, Attack, Map2VFast
    from bauta.generators import PRIORS
    from bauta.spec import parse
    from bauta.study.validation import searching

    # more rounds than the queries allow, and at most a quarter of them for the draws, each of which is asked twice
    made: object = Map2VFast(rounds=queries, priors=max(2, min(50, queries // 8)))
    if attack is not None:
        made = parse(attack, (*ALL, *PRIORS, *STARTS.values()))
    if not isinstance(made, Attack):
        raise UsageError(f"{attack} is no attack; give Map2V(...) or Map2VFast(...).")
    search = searching(made)
    if prior is not None:
        search.prior = prior_of(prior)
    return search


def prior_of(words: str) -> FacePrior:
    """The prior that a spec describes, or whose file or folder this is. Raises `UsageError`, and what a file raises."""
    from bauta.generators import PRIORS, AutoencoderPrior, FacePrior, StyleGAN2
    from bauta.spec import parse

    if Path(words).is_dir():
        return AutoencoderPrior(words)
    chosen = StyleGAN2(words) if Path(words).is_file() else parse(words, PRIORS)
    assert isinstance(chosen, FacePrior)
    return chosen


def people(
    data: str, pairs: int, victims: int, public: str | None, limit: int, seed: int
) -> tuple[Targets, Faces | None]:
    """Whom the system is attacked for, and the attacker's faces, who are other people. Raises `UsageError`.

    Of LFW the people are those of whom no network of bauta has learned: neither a prior nor a validator knows them.
    """
    from bauta.faces import load_dataset, load_pairs
    from bauta.study.presets.settings import public_faces
    from bauta.study.run import refuse_overlap
    from bauta.study.validation import targets
    from bauta.train.examples import unseen
    from bauta.types import Faces
    from bauta.zoo.ours import FOLDS

    protocol = unseen(data, FOLDS).take(pairs) if data == "lfw" else load_pairs(data, pairs)
    found = targets(protocol.faces, victims, seed)
    if public is None or public == data:
        held = public_faces(data, protocol, limit)
    else:  # two sets count their people from zero: only files can be compared
        others = load_dataset(public, limit)
        held = Faces(others.images, source=others.source)
    refuse_overlap(held, found.real)
    return found, held


def keep(folder: Path, stated: dict[str, Any]) -> None:
    """Write the settings of a new validation; raise `UsageError` where another's faces lie."""
    from bauta.faces.images import write_bytes

    path = folder / SETTINGS
    if path.exists():
        try:
            earlier = json.loads(path.read_bytes())
            other = [key for key, value in stated.items() if earlier.get(key) != value]
        except (ValueError, AttributeError, RecursionError) as error:
            raise BadFile(f"{path} holds no settings of a validation ({error}); give another --out.") from error
        if other:
            raise UsageError(f"{folder} holds a validation with another {', '.join(other)}; give another --out.")
        return
    write_bytes(path, (json.dumps(stated, indent=1) + "\n").encode())


def with_bar(job: ValidationJob) -> Results:
    """The search under a bar on standard error: queries made, and the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("queries", total=len(job.targets.attacked) * job.queries)
        return job.search(lambda made: bar.update(task, completed=made))


def written(folder: Path, stated: dict[str, Any], rows: list[Row], results: Results) -> list[Path]:
    """The rows, the contact sheet and the questions, as files."""
    from bauta.faces.images import write_bytes
    from bauta.report import gallery, save_figure
    from bauta.report.ab_sheet import ab_sheet
    from bauta.study.records import facts

    targets, seed = results.job.targets, results.job.seed
    pictures = {
        "enrolled": targets.faces.images,
        "found": results.pictures,
        "another photo": targets.real.images[targets.other],
        "random prior": results.blind,
    }
    document = {"settings": stated, "rows": [facts(row) for row in rows]}
    write_bytes(folder / ROWS, (json.dumps(document, indent=1) + "\n").encode())
    shown = {label: images[:COLUMNS] for label, images in pictures.items()}
    save_figure(gallery(shown, title=str(stated["system"])), folder / SHEET)
    strangers = targets.real.images[targets.stranger]
    asked = ab_sheet(results.pictures, pictures["another photo"], strangers, seed=seed)
    write_bytes(folder / QUESTIONS, asked.page.encode())
    return [folder / name for name in (ROWS, SHEET, QUESTIONS)]


def show(stated: dict[str, Any], rows: list[Row], files: list[Path], as_json: bool) -> None:
    """The tables on standard output, or one JSON document with every digit."""
    from bauta.report import to_text
    from bauta.study.records import facts
    from bauta.study.tables.map2v import map2v_tables
    from bauta.study.validation import BLIND, SEVERAL

    made = [table for table in map2v_tables(rows) if table.rows]
    if as_json:
        tables = {table.name: asdict(table) for table in made}
        names = [str(file) for file in files]
        typer.echo(json.dumps({"settings": stated, "rows": [facts(r) for r in rows], "tables": tables, "files": names}))
        return
    searcher = next(row.attack for row in rows if row.attack != BLIND)
    typer.echo(f"{stated['system']}, searched by {searcher}\n")
    for table in made:
        lines = [{k: v for k, v in line.items() if k not in SAID and SEVERAL not in k} for line in table.rows]
        typer.echo(f"{table.title}\n{table.note}\n\n{to_text(lines, digits=table.digits)}")
    typer.echo("\n".join(map(str, files)))
    typer.echo("They show real people: keep them to yourself.")
