"""What is left of a face behind DCTDP's noise, by budget: solved for by least squares, with the budget spread evenly.

    python benchmarks/dctdp_budgets.py [FACES] [SHEET]

Before training moves it, every coefficient has the same share of the budget, and its noise a scale of its range over
`epsilon`. `LinearInversion`, which learns nothing but the mean and spread of 400 other people's faces, solves for the
pictures of FACES people of LFW (60) under a random color cast of 0.4. SSIM to the picture, and what mobilefacenet-casia
says: the cosine to the picture, and whether it is beyond its threshold. In brackets 95 % intervals, from resampling
people. 0.5 is the mean budget of the paper's tables, 4 the largest that it plots. SHEET: a PNG, the pictures and a line
for each budget; it shows real faces and is for the one who looks. Needs BAUTA_MIRROR; two minutes of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from bauta import zoo
from bauta.attacks import Knows, LinearInversion, Victim
from bauta.faces import write_image
from bauta.memory import freed_memory_kept
from bauta.metrics import COSINE, SSIM, Interval, bootstrap
from bauta.pipeline import Pipeline
from bauta.recognizers import load
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


def mean(values: Tensor) -> Interval:
    """With its interval; every row is a person."""
    return bootstrap(lambda rows: float(rows.mean()), values.double())


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


def main(number: int, sheet: Path | None) -> None:
    pairs, light = unseen("lfw", FOLDS), ColorCast(CAST, seed=0)
    held = public_faces("lfw", pairs, HELD)
    assert held is not None
    assert pairs.faces.identity is not None
    first = [int((pairs.faces.identity == who).nonzero()[0]) for who in torch.unique(pairs.faces.identity)[:number]]
    public, victims = light(held), light(pairs.faces[first])
    judge, threshold = load(JUDGE), zoo.threshold(JUDGE)
    assert threshold is not None
    clean, lines, rows = embed(judge, victims), [], [victims.images]
    for epsilon in BUDGETS:
        pictures = solved(epsilon, public, victims)
        cosine = COSINE(embed(judge, Faces(pictures)), clean)
        accepted = mean(100.0 * (cosine > threshold))
        lines.append({"epsilon": epsilon, "SSIM": mean(SSIM(pictures, victims.images)), "cosine": mean(cosine)})
        lines[-1]["accepted, %"] = accepted
        rows.append(pictures)
        print(to_text(lines[-1:], digits=3), flush=True)
    print(to_text(lines, digits=3))
    if sheet is not None:
        write_image(sheet, torch.cat([torch.cat(list(row[:16]), 2) for row in rows], 1))


if __name__ == "__main__":
    given = sys.argv[1:]
    with freed_memory_kept():
        main(int(given[0]) if given else 60, Path(given[1]) if len(given) > 1 else None)
