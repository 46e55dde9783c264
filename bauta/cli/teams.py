"""`bauta models teams`: which of the networks here make a diverse team to mask a face against."""

from __future__ import annotations

import json
from math import isnan
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bauta import zoo
from bauta.cli.protect import Device, chosen_device
from bauta.cli.records import chosen, whereabouts
from bauta.errors import MissingWeights, UsageError

if TYPE_CHECKING:
    from bauta.metrics import Diversity, Interval
    from bauta.recognizers import Recognizer
    from bauta.study.teams import Failures, TeamScore

PICTURES = 1200
SHOWN = ("gd", "disagreement", "kappa", "q")


def teams(
    data: Annotated[str, typer.Option("--data", help="A name from `bauta datasets list`, or a folder.")] = "lfw",
    size: Annotated[int | None, typer.Option("--size", min=2, help="Teams of so many; every size by default.")] = None,
    score: Annotated[
        str, typer.Option("--score", help="gd, disagreement, kw, fleiss (focal); kappa, q (over all samples).")
    ] = "gd",
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Never in a team, such as a judge (repeat for several).")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option("--pictures", min=4, help=f"Rank-1 with so many pictures; {PICTURES:,} by default.")
    ] = None,
    pairs: Annotated[
        int | None, typer.Option("--pairs", min=2, help="Failures in about so many pairs, in place of rank-1.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="At most so many teams of each size.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="What all draws depend on.")] = 0,
    device: Device = "auto",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pictures at a time.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Score the possible teams among the networks here by how differently their members fail (focal diversity).

    A failure is a wrong rank-1 answer: people with at least two pictures, one of each enrolled. With --pairs it is a
    wrongly decided pair at each network's own threshold: strong networks have few wrong rank-1 answers.
    """
    from bauta.metrics import DIVERSITY
    from bauta.study.teams import rank_teams

    known = {diversity.name: diversity for diversity in DIVERSITY}
    if score not in known:
        raise UsageError(f"No score is called {score!r}; there are {', '.join(known)}.")
    if pictures and pairs:
        raise UsageError("--pictures measures rank-1 and --pairs verification; give one of them.")
    members = candidates(without or [])
    if size is not None and size > len(members):
        raise UsageError(f"A team of {size} needs as many networks, and there are {len(members)}: {called(members)}.")
    begun = perf_counter()
    failures = measured(members, data, pictures or PICTURES, pairs, seed, device, batch)
    ranked = rank_teams(failures, known[score], size=size, top=top, seed=seed)
    entry = document(data, members, failures, known[score], ranked, perf_counter() - begun)
    typer.echo(json.dumps(entry, indent=1) if as_json else text(entry))


def candidates(without: list[str]) -> list[zoo.Weights]:
    """The recognizers, published and registered, whose weights are on this machine, but for those named."""
    records = [*zoo.WEIGHTS, *zoo.registered_weights()]
    judges = {record.name for record in chosen(records, without)}
    here = [record for record in records if zoo.find(record.files[0])]
    found = [record for record in here if record.name not in judges]
    if len(found) < 2:
        kind = UsageError if len(here) >= 2 else MissingWeights
        raise kind(
            f"A team needs at least two networks whose weights are here, got {len(found)} ({called(found) or 'none'}); "
            "get others with `bauta models pull`, or your own with `bauta models add`"
            + (", or leave fewer out with --without." if judges else ".")
        )
    return found


def called(members: list[zoo.Weights]) -> str:
    """Their names."""
    return ", ".join(record.name for record in members)


def measured(
    members: list[zoo.Weights], data: str, pictures: int, pairs: int | None, seed: int, device: str, batch: int
) -> Failures:
    """The failures, under a bar that counts pictures and networks."""
    from rich.console import Console
    from rich.progress import Progress

    from bauta.faces import load_pairs
    from bauta.recognizers import load
    from bauta.study.teams import crowd, pair_failures, rank1_failures

    place = chosen_device(device)
    networks: list[Recognizer] = [load(record.name).to(place) for record in members]
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pictures x networks", total=None)

        def told(number: int) -> None:
            bar.advance(task, number)

        if pairs:
            protocol = load_pairs(data, pairs)
            bar.update(task, total=len(protocol.faces) * len(networks))
            return pair_failures(networks, protocol, batch_size=batch, progress=told)
        faces = crowd(data, pictures, seed=seed)
        bar.update(task, total=len(faces) * len(networks))
        return rank1_failures(networks, faces, seed=seed, batch_size=batch, progress=told)


def document(
    data: str,
    members: list[zoo.Weights],
    failures: Failures,
    score: Diversity,
    ranked: list[TeamScore],
    seconds: float,
) -> dict[str, Any]:
    """What was found, as JSON has it; None where there is no number."""
    counts, samples = failures.counts, failures.matrix.shape[1]
    return {
        "data": data,
        "task": failures.task,
        "samples": samples,
        "score": score.name,
        "focal": score.focal,
        "diverse_when": score.diverse_when,
        "networks": [
            {
                "name": record.name,
                "license": record.license,
                "place": whereabouts(record.files[:1]),
                "public": all(file.urls for file in record.files),
                "failures": counts[record.name],
                "share": round(counts[record.name] / samples, 6),
            }
            for record in members
        ],
        "teams": [
            {
                "size": len(team.members),
                "members": list(team.members),
                "value": number(team.score),
                "interval": None if team.interval is None else ends(team.interval),
                "whole": {name: number(value) for name, value in team.whole.items()},
                "left_out": list(team.left_out),
                "best": team.best,
                "lead": None if team.lead is None else [number(team.lead.value), *ends(team.lead)],
            }
            for team in ranked
        ],
        "cautions": cautions(failures, ranked),
        "seconds": round(seconds, 2),
    }


def cautions(failures: Failures, ranked: list[TeamScore]) -> list[str]:
    """What wants caution, a sentence each."""
    from bauta.study.teams import ENOUGH, UNEQUAL

    said = []
    if failures.few:
        weak = ", ".join(f"{name} ({failures.counts[name]})" for name in failures.few)
        said.append(
            f"Fewer than {ENOUGH} failures say little: {weak}. Ask for more with --pictures, or for pairs with --pairs."
        )
    unheard = sorted({name for team in ranked for name in team.left_out})
    if unheard:
        said.append(f"Without any failure, and so in no focal mean as its focus: {', '.join(unheard)}.")
    for team in ranked:
        most, least = (pick(team.members, key=failures.counts.__getitem__) for pick in (max, min))
        if team.best and failures.counts[most] > UNEQUAL * failures.counts[least]:
            said.append(
                f"In the best team of {len(team.members)}, {most} fails {failures.counts[most]} times and {least} "
                f"{failures.counts[least]}: focal diversity rewards unequal members, so look at the like ones too."
            )
        if team.lead is not None and team.lead.low <= 0:
            said.append(
                f"The best team of {len(team.members)} is not told from the next: its lead is {team.lead.value:.3f} "
                f"[{team.lead.low:.3f}, {team.lead.high:.3f}]."
            )
    return said


def number(value: float) -> float | None:
    """Six digits; None for NaN, which JSON has not."""
    return None if isnan(value) else round(value, 6)


def ends(interval: Interval) -> list[float]:
    """Low and high, six digits."""
    return [round(interval.low, 6), round(interval.high, 6)]


def text(entry: dict[str, Any]) -> str:
    """The networks, the teams and what wants caution, for a reader."""
    from bauta.report import to_text

    networks = [
        {
            "network": n["name"],
            "license": n["license"],
            "public": n["public"],
            "failures": f"{n['failures']} ({100 * n['share']:.1f} %)",
        }
        for n in entry["networks"]
    ]
    column = f"{'focal ' if entry['focal'] else ''}{entry['score']}"
    rows = [
        {
            "size": team["size"],
            "best": team["best"],
            column: cell(team),
            **{f"all {name}": team["whole"][name] for name in SHOWN},
            "team": " + ".join(team["members"]),
        }
        for team in entry["teams"]
    ]
    head = f"{entry['task']} ({entry['data']}), {entry['samples']} samples, {entry['seconds']:.0f} s"
    direction = f"{entry['diverse_when']} {column} is diverse; 95 % intervals over people; `all`: over all samples"
    parts = [head, "", to_text(networks), to_text(rows), direction, *entry["cautions"]]
    return "\n".join(parts)


def cell(team: dict[str, Any]) -> Any:
    """The score with its interval, where there is one."""
    if team["value"] is None or team["interval"] is None:
        return team["value"]
    low, high = team["interval"]
    return {"value": team["value"], "low": low, "high": high, "n": None}
