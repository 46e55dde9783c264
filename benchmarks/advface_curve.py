"""What AdvFace buys and costs: a curve over epsilon, bounds and steps, and the rounds of the game against it.

    python benchmarks/advface_curve.py [PAIRS] [PUBLIC] [TRAINING] [SHEET]

PAIRS of LFW (400) under mobilefacenet-casia, cut after its fifth layer (features of 28 x 24): the enrolled side is
protected, the live probe is clean. PUBLIC other people's faces (800) go half to the provider, for his shadow models,
and half, of yet other people, to the attackers; all networks are trained for TRAINING steps (150), at half width.

* noise: the root of its mean square, in units of the channels' spread. ms: a record.
* accuracy, TAR (at FAR 1e-3): of the pairs, in percent.
* RecFace, PlainFace: SSIM and PSNR (dB) of their pictures of the enrolled side, trained on clean features.
* aware: of PlainFace, trained on protected features, with keys of its own; "-" where none was trained.
* Gaussian: without direction, of the same norm in every row as the line above it.

SHEET: a PNG that gets reconstructions of a few people, one line a row of the table (the picture, then what RecFace,
PlainFace and the aware attacker make of it); it shows real faces and is for the one who looks. Needs BAUTA_MIRROR;
about a quarter of an hour of one core.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from bauta.attacks import Knows, PlainFace, RecFace, Victim
from bauta.faces import Pairs, load_dataset, load_pairs, split_by_identity
from bauta.metrics import PSNR, SSIM, tar_at_far, ten_fold_accuracy
from bauta.ops.noise import generators, normal, row_digests
from bauta.pipeline import Pipeline
from bauta.protections import AdvFace, FeatureProtection, GaussianNoise, RefreshedAdvFace
from bauta.protections.features.advface import rms
from bauta.recognizers import Recognizer, load
from bauta.types import Faces, Features, Images

DEFAULT, EPSILONS, STEPS, ROUNDS, LOOKED_AT, SHOWN = 0.3, (0.1, 0.2, 0.3, 0.5), (1, 10), 2, 96, 4


class Table:
    """The pairs and the naive attackers, and a line of the table for what the gallery holds."""

    def __init__(self, network: Recognizer, pairs: Pairs, attackers: Faces, steps: int) -> None:
        self.network, self.pairs, self.attackers = network, pairs, attackers
        self.rows, self.second = torch.unique(pairs.second, return_inverse=True)
        self.features = batched(network.features, pairs.faces.images)
        self.templates = batched(network.templates, self.features)
        self.enrolled = self.features[self.rows]
        self.aware = PlainFace(steps=steps, width=0.5, seed=9).knowing(knows=Knows.SCHEME)
        self.victim = Victim(Pipeline(network), RecFace.default_knowledge)
        kinds = (RecFace, PlainFace)
        self.naive = [kind(steps=steps, width=0.5, seed=8).fit(attackers, self.victim) for kind in kinds]
        self.sheet: list[Images] = []
        heads = (f"{name:>14}" for name in ("RecFace", "PlainFace", "aware"))
        print(f"{'enrolled':<34}{'noise':>6}{'ms':>6}{'accuracy':>10}{'TAR':>7}{''.join(heads)}")

    def line(
        self, name: str, enrolled: Features, spread: Tensor, each: float = 0.0, scheme: FeatureProtection | None = None
    ) -> None:
        """Print it; each: milliseconds a record; scheme: what the aware attacker runs himself, if one is wanted."""
        noise = float(rms((enrolled - self.enrolled) / spread).mean())
        stored = batched(self.network.templates, enrolled)[self.second]
        scores = (self.templates[self.pairs.first] * stored).sum(1)
        right = ten_fold_accuracy(scores, self.pairs.same, self.pairs.fold).accuracy
        tar = tar_at_far(scores, self.pairs.same, 1e-3)
        truth = self.pairs.faces.images[self.rows[:LOOKED_AT]]
        guesses = [attack(enrolled[:LOOKED_AT], self.victim) for attack in self.naive]
        if scheme is not None:
            told = Victim(Pipeline(self.network, scheme), self.aware.knowledge)
            guesses.append(self.aware.fit(self.attackers, told)(enrolled[:LOOKED_AT], told))
        words = [f"{SSIM(g, truth).mean():>7.3f}{PSNR(g, truth).mean():>7.2f}" for g in guesses]
        words += [f"{'-':>14}"] * (3 - len(words))
        cost = f"{100 * right:>10.2f}{100 * tar:>7.1f}"
        print(f"{name:<34}{noise:>6.3f}{each:>6.0f}{cost}{''.join(words)}", flush=True)
        pictures = [truth, *guesses, *[torch.ones_like(truth)] * (3 - len(guesses))]
        self.sheet.append(torch.cat([torch.cat(list(p[:SHOWN]), 2) for p in pictures], 2))

    def adversarial(self, name: str, protection: AdvFace, *, aware: bool = False, gaussian: bool = False) -> None:
        """A line for AdvFace, and one for noise of its norm."""
        begun = time.perf_counter()
        enrolled = protection(self.enrolled)
        each = 1000 * (time.perf_counter() - begun) / len(enrolled)
        spread = protection.spread_
        assert spread is not None
        self.line(name, enrolled, spread, each, protection if aware else None)
        if gaussian:
            draws = generators(0, row_digests(self.enrolled), "same norm")
            noise = normal(enrolled.shape[1:], draws, enrolled)
            size = rms((enrolled - self.enrolled) / spread) / rms(noise)
            scheme = GaussianNoise(protection.epsilon) if aware else None
            self.line("  Gaussian", self.enrolled + size * noise * spread, spread, scheme=scheme)


def batched(function: object, rows: Tensor) -> Tensor:
    """`function` of all rows, a part at a time."""
    assert callable(function)
    with torch.no_grad():
        return torch.cat([function(part) for part in torch.split(rows, 64)])


def main() -> int:
    """Print the table."""
    count, public, training = (int(sys.argv[n]) if len(sys.argv) > n else d for n, d in ((1, 400), (2, 800), (3, 150)))
    pairs, everybody = load_pairs("lfw", count), load_dataset("lfw", 4500)
    people = {Path(s.file).parent for s in pairs.faces.source}
    others = [n for n, s in enumerate(everybody.source) if Path(s.file).parent not in people][:public]
    provider, attackers = split_by_identity(everybody[others], (0.5, 0.5), 0)
    network = load("mobilefacenet-casia").frozen().at_cut(5)
    table = Table(network, pairs, attackers, training)
    game = RefreshedAdvFace(DEFAULT, rounds=ROUNDS, shadow_steps=training).fit(provider, network)
    learned = game.at_round(0).learned()
    table.line("nothing", table.enrolled, learned["spread_"])
    for epsilon in EPSILONS:
        default = epsilon == DEFAULT
        protection = AdvFace(epsilon, shadow_steps=training).restored(learned)
        table.adversarial(f"AdvFace({epsilon})", protection, aware=default, gaussian=True)
    for steps in STEPS:
        table.adversarial(
            f"AdvFace({DEFAULT}, steps={steps})", AdvFace(DEFAULT, steps=steps, shadow_steps=training).restored(learned)
        )
    squared = AdvFace(DEFAULT, bound="l2", shadow_steps=training).restored(learned)
    table.adversarial(f"AdvFace({DEFAULT}, bound='l2')", squared, aware=True)
    for number in range(1, ROUNDS + 1):
        table.adversarial(f"Refreshed({DEFAULT}, rounds={number})", game.at_round(number), aware=True)
    if len(sys.argv) > 4:
        levels = (torch.cat(table.sheet, 1).clamp(0, 1) * 255).round().byte()
        Image.fromarray(levels.permute(1, 2, 0).numpy()).save(sys.argv[4])
    return 0


if __name__ == "__main__":
    sys.exit(main())
