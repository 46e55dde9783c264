"""What is left of a face behind DCTDP's noise, by budget: solved for by least squares, with the budget spread evenly.

    python benchmarks/dctdp_budgets.py [FACES] [PAIRS] [SHEET]

Before training moves it, every coefficient has the same share of the budget, and its noise a scale of its range over
`epsilon`. `LinearInversion`, which learns nothing but the mean and spread of 400 other people's faces, solves for the
pictures of FACES people of LFW (60) under a random color cast of 0.4. SSIM to the picture, and what mobilefacenet-casia
says: the cosine to the picture, and whether it is beyond its threshold. Then PAIRS pairs (300), each picture behind
noise of its own and solved for: how many of them it decides rightly, each of the two folds at the best threshold of the
other one; the first line is of the pictures themselves. That is at once who can be found again, and what a server
could recognize that learns nothing. In brackets 95 % intervals, from resampling people. 0.5 is the mean budget of the
paper's tables, 4 the largest that it plots. SHEET: a PNG, the pictures and a line for each budget; it shows real faces
and is for the one who looks. Needs BAUTA_MIRROR; an hour of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from bauta import zoo
from bauta.attacks import Knows, LinearInversion, Victim
from bauta.faces import Pairs, write_image
from bauta.memory import freed_memory_kept
from bauta.metrics import COSINE, SSIM, Interval
from bauta.metrics.draws import mean_interval
from bauta.metrics.verification import ACCURACY, hits
from bauta.pipeline import Pipeline
from bauta.recognizers import Recognizer, load
from bauta.recognizers.embedding import embed
from bauta.report import to_text
from bauta.study.presets import public_faces
from bauta.train import ColorCast, Training
from bauta.train.examples import unseen
from bauta.train.run import build
from bauta.types import Faces, Images
from bauta.zoo.ours import FOLDS

BUDGETS = (0.5, 1.0, 2.0, 4.0, 8.0)
JUDGE, HELD, CAST = "mobilefacenet-casia", 400, 0.4


def solved(epsilon: float, public: Faces, victims: Faces) -> Images:
    """The pictures behind the noise of one budget."""
    made = build(Training("frequency_compact", protections=[f"DCTDP({epsilon})"]))
    (noise,) = made.protections
    pipeline = Pipeline(made.recognizer, noise.fit(public, made.recognizer))
    attack = LinearInversion().knowing(knows=Knows.KEYS)
    victim = Victim(pipeline, attack.knowledge)
    with torch.no_grad():
        leak = torch.cat([pipeline.features(batch) for batch in victims.batches(16)])
    return attack.fit(public, victim)(leak, victim)


def decided(judge: Recognizer, pairs: Pairs, pictures: Images) -> Interval:
    """Percent of the pairs that are decided rightly, of pictures that stand for those of the protocol."""
    who, found = pairs.faces.identity, embed(judge, Faces(pictures))
    assert who is not None
    right = 100 * hits(COSINE(found[pairs.first], found[pairs.second]), pairs.same, pairs.fold)
    return ACCURACY.interval(right, pairs.fold, torch.stack([who[pairs.first], who[pairs.second]], 1))


def main(number: int, compared: int, sheet: Path | None) -> None:
    pairs, light = unseen("lfw", FOLDS), ColorCast(CAST, seed=0)
    held = public_faces("lfw", pairs, HELD)
    assert held is not None
    assert pairs.faces.identity is not None
    first = [int((pairs.faces.identity == who).nonzero()[0]) for who in torch.unique(pairs.faces.identity)[:number]]
    public, victims = light(held), light(pairs.faces[first])
    judge, threshold = load(JUDGE), zoo.threshold(JUDGE)
    assert threshold is not None
    clean, rows = embed(judge, victims), [victims.images]
    few = pairs.take(compared)
    both = light(few.faces)
    lines: list[dict[str, object]] = [{"epsilon": "none", "decided, %": decided(judge, few, both.images)}]
    for epsilon in BUDGETS:
        pictures = solved(epsilon, public, victims)
        cosine = COSINE(embed(judge, Faces(pictures)), clean)
        lines.append(
            {"epsilon": epsilon, "SSIM": mean_interval(SSIM(pictures, victims.images)), "cosine": mean_interval(cosine)}
        )
        lines[-1]["accepted, %"] = mean_interval(100.0 * (cosine > threshold))
        lines[-1]["decided, %"] = decided(judge, few, solved(epsilon, public, both))
        rows.append(pictures)
        print(to_text(lines[-1:], digits=3), flush=True)
    print(to_text(lines, digits=3))
    if sheet is not None:
        write_image(sheet, torch.cat([torch.cat(list(row[:16]), 2) for row in rows], 1))


if __name__ == "__main__":
    given = sys.argv[1:]
    people = int(given[0]) if given else 60
    against = int(given[1]) if len(given) > 1 else 300
    with freed_memory_kept():
        main(people, against, Path(given[2]) if len(given) > 2 else None)
