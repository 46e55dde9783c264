"""What a query buys: similarity to the enrolled face by number of queries, for the published optimizer and its rivals.

    python benchmarks/map2v_queries.py [VICTIMS] [BUDGET] [SHEET]

VICTIMS people of LFW (6), of whom it has not learned, are enrolled with bauta-residual, unprotected: 97 % on LFW, and
quick enough to be asked a million times. Everybody searches Eigenfaces of other people's faces and is told similarities
alone, BUDGET of them a victim (1,000; the paper's search takes 7,300), without mirrored pictures:

* Map2V: as published, 500 draws ranked. "50 draws": the same with fewer, so that more is left for the search.
* Map2VFast.
* CMA-ES (`EvolutionStrategy`), in the same coordinates as Map2VFast, where `pip install 'bauta[evolution]'` was made;
  left out elsewhere.
* blind: a draw of the prior for each victim, nobody asked. No search begins lower by more than chance.

A number of queries as a heading: the mean best score after at most so many. transfer: the mean cosine of the final
pictures to the enrolled ones under mobilefacenet-casia, which nobody attacked. In brackets 95 % intervals, from
resampling victims. Last, what share of Map2V's queries Map2VFast needs for that victim's final score (1 where it did
not get there). SHEET: a PNG, one column a victim: the enrolled picture, then what each found, in the order of the
table; it shows real faces and is for the one who looks. Needs BAUTA_MIRROR. By default some 25,000 pictures are
embedded; 50 victims with 2,000 queries take 400,000, a quarter of an hour of one core.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bauta.attacks import Access, EvolutionStrategy, Knowledge, Map2V, Map2VFast, RandomStart, Ranked, Victim
from bauta.attacks.reconstruction.search import Found, LatentSearch
from bauta.faces import write_image
from bauta.generators import Eigenfaces
from bauta.metrics import COSINE, Interval
from bauta.metrics.draws import mean_interval
from bauta.pipeline import Pipeline
from bauta.recognizers import load
from bauta.recognizers.folding import folded
from bauta.report import to_text
from bauta.study.presets import public_faces
from bauta.train.examples import unseen
from bauta.types import Faces, Images, Stage
from bauta.zoo.ours import FOLDS

ATTACKED, JUDGE = "bauta-residual", "mobilefacenet-casia"
PHOTOS, COMPONENTS = 4000, 256
LEAST = 600
MARKS = (100, 200, 400, 700, 1000, 2000, 4000, 7300)


def within(search: Iterator[Found], budget: int) -> list[Found]:
    """What is found, as far as the budget goes."""
    found = []
    for each in search:
        if int(each.queries.max()) > budget:
            break
        found.append(each)
    return found


def at(found: list[Found], queries: int) -> Interval | None:
    """The mean best score after at most so many queries; None where the first thing found took more."""
    known = [each for each in found if int(each.queries.max()) <= queries]
    return mean_interval(known[-1].scores) if known else None


def shares(published: list[Found], fast: list[Found]) -> Tensor:
    """(V,) queries for each victim's final published score, by those of the published search."""
    goal, spent = published[-1].scores, published[-1].queries
    reached = [
        next((int(f.queries[row]) for f in fast if f.scores[row] >= goal[row]), int(spent[row]))
        for row in range(len(goal))
    ]
    return torch.tensor(reached) / spent


def rivals(prior: Eigenfaces) -> dict[str, LatentSearch]:
    """Name -> who searches."""
    found: dict[str, LatentSearch] = {
        "Map2V": Map2V(prior, flip=False),
        "Map2V, 50 draws": Map2V(prior, Ranked(priors=50), flip=False),
        "Map2VFast": Map2VFast(prior, rounds=1000, flip=False),
    }
    blind = {"blind": Map2V(prior, RandomStart(), iterations=0, flip=False)}
    cma = {"CMA-ES": EvolutionStrategy(prior, rounds=1000, flip=False)} if importlib.util.find_spec("cma") else {}
    return found | blind | cma


def sheet(rows: list[Images], path: Path) -> None:
    """One line a row, one column a victim."""
    write_image(path, torch.cat([torch.cat(list(row), 2) for row in rows], 1))


def main(victims: int, budget: int, picture: Path | None) -> None:
    if victims < 2 or budget < LEAST:
        sys.exit(f"Give at least 2 victims and {LEAST} queries: Map2V ranks 500 draws before it searches.")
    pairs = unseen("lfw", FOLDS)
    public, others = public_faces("lfw", pairs, PHOTOS), pairs.faces
    assert public is not None
    assert others.identity is not None
    first = [int((others.identity == who).nonzero()[0]) for who in torch.unique(others.identity)[:victims]]
    faces = others[first]
    prior = Eigenfaces(components=COMPONENTS).fit(public)
    pipeline, judge = Pipeline(folded(load(ATTACKED))), folded(load(JUDGE))
    with torch.no_grad():
        enrolled, clean = pipeline.templates(Faces(faces.images)), judge.embed(faces.images)
    lines, found, pictures = [], {}, [faces.images]
    for name, attack in rivals(prior).items():
        victim = Victim(pipeline, Knowledge(Stage.SCORES, Access.QUERY), enrolled=enrolled)
        found[name] = within(attack.search(victim, torch.arange(len(faces))), budget)
        last = found[name][-1]
        with torch.no_grad():
            pictures.append(prior.render(last.latents))
            transfer = COSINE(judge.embed(pictures[-1]), clean)
        marks = {str(m): at(found[name], m) for m in MARKS if m < budget and name != "blind"}
        final = {
            "queries": int(last.queries.max()),
            "final": mean_interval(last.scores),
            "transfer": mean_interval(transfer),
        }
        lines.append({"search": name, **marks, **final})
        print(to_text(lines[-1:], digits=3), flush=True)
    print(to_text(lines, digits=3))
    share = shares(found["Map2V"], found["Map2VFast"])
    print(
        to_text(
            [{"share of Map2V's queries that Map2VFast needs": mean_interval(share), "most": float(share.max())}],
            digits=3,
        )
    )
    if picture is not None:
        sheet(pictures, picture)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 6,
        int(given[1]) if len(given) > 1 else 1000,
        Path(given[2]) if len(given) > 2 else None,
    )
