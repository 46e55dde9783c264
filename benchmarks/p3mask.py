"""P3-Mask's learning beside the published algorithm as a plain loop, in the same run.

    python benchmarks/p3mask.py [--quick] [--plots FOLDER]

The rival is the released algorithm as research code has it: one photo at a time, batch norm as it was trained, the
clean photo's templates computed again for every photo and step, gradients averaged over four photos, signed steps, the
weight of the DSSIM halved and doubled. Ours takes the four together through folded networks and computes clean
templates once. Both learn from the same 21 photos of one person against the same two networks, from the same start,
with the same order of photos; the rival for a few epochs, ours for all. Printed: seconds a step, their ratio (the
median of repetitions that take turns), both loss curves, and the seconds of a whole mask. Then the schedule: angle and
SSIM by epoch on 84 photos of a person, as many as in the authors' log, whose first epochs stand beside; --plots draws.

Real weights and faces where BAUTA_MIRROR is set, else random weights and made pictures. Threads: set OMP_NUM_THREADS.
Exit code 1 when the curves disagree; speed is only reported.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from bauta import zoo
from bauta.faces import load_dataset
from bauta.ops.similarity import structural_similarity
from bauta.protections import P3Mask
from bauta.protections.images.p3mask import Epoch, face_area
from bauta.protections.images.team import Team
from bauta.recognizers import Recognizer, build, load
from bauta.report import lines, save_figure

TEAM = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m")
PHOTOS, PUBLISHED_PHOTOS, SEED = 21, 84, 2023
# The first epochs of the log that the authors print: a team of two, an EfficientNet and a ResNet-50; angle and SSIM.
PUBLISHED = ((0.348, 0.996), (1.222, 0.9755), (1.958, 0.9431), (2.339, 0.9288), (2.537, 0.9253))
APART = 0.02  # of the angle, between the two curves: rounding turns the sign of gradients near zero


def subject() -> tuple[list[Recognizer], Tensor]:
    """The team, and one person's photos."""
    if os.environ.get("BAUTA_MIRROR"):
        faces = load_dataset("celeb12")
        assert faces.identity is not None
        return [load(name) for name in TEAM], faces[faces.identity == faces.identity[0]].images[:PUBLISHED_PHOTOS]
    torch.manual_seed(0)
    photos = torch.nn.functional.interpolate(torch.rand(PUBLISHED_PHOTOS, 3, 9, 9), (112, 112), mode="bicubic").clamp(
        0, 1
    )
    return [build(zoo.weights(name)).frozen() for name in TEAM], photos


def plain(
    networks: list[Recognizer], photos: Tensor, mask: P3Mask, start: Epoch, epochs: int
) -> list[tuple[float, float]]:
    """The released algorithm: (angle, DSSIM) of each epoch."""
    draws = torch.Generator()
    draws.set_state(start.draws)
    bound = mask.epsilon * face_area(112, 112)
    m, weight, curve = start.mask.clone(), 1.0, []
    for _ in range(epochs):
        seen = []
        for batch in torch.randperm(len(photos), generator=draws).split(mask.batch_size):  # type: ignore[no-untyped-call]
            gradients, angles, dssims = [], [], []
            for row in batch.tolist():
                x, leaf = photos[row : row + 1], m.clone().requires_grad_(True)
                masked = (x + leaf).clamp(0, 1)
                angle = torch.zeros(())
                for network in networks:
                    with torch.no_grad():
                        clean = network.embed(x)
                    apart = (clean - network.embed(masked)).norm(dim=1)
                    angle = angle + 2 * torch.asin((apart / 2).clamp(max=1 - 1e-6)).sum()
                dssim = (1 - structural_similarity(x, masked)).sum() / 2
                loss = weight * (dssim - mask.budget).clamp_min(0) - angle
                gradients.append(torch.autograd.grad(loss, leaf)[0])
                angles.append(float(angle.detach()))
                dssims.append(float(dssim.detach()))
            m = (m - mask.step_size * torch.stack(gradients).mean(0).sign()).minimum(bound).maximum(-bound)
            weight = mask.weighed(weight, statistics.mean(dssims))
            seen.append((statistics.mean(angles), statistics.mean(dssims)))
        curve.append((statistics.mean(a for a, _ in seen), statistics.mean(d for _, d in seen)))
    return curve


def schedule(photos: Tensor, team: Team, plots: Path | None) -> None:
    """Print angle and SSIM by epoch beside the published log; draw them."""
    mask, draws = P3Mask(), torch.Generator().manual_seed(SEED)
    found = list(mask.learning(photos, team, draws, mask.started(photos, draws)))
    print(f"{len(photos)} photos\nepoch  angle ours / published   SSIM ours / published   weight")
    for epoch in found:
        if epoch.number <= len(PUBLISHED) or epoch.number % 10 == 0:
            a, s = PUBLISHED[epoch.number - 1] if epoch.number <= len(PUBLISHED) else (math.nan, math.nan)
            print(f"{epoch.number:5d}  {epoch.angle:.3f} / {a:.3f}", end="             ")
            print(f"{epoch.ssim:.4f} / {s:.4f}         {epoch.weight:g}")
    for place, name, values in (
        (0, "angle", [e.angle for e in found]),
        (1, "SSIM", [e.ssim for e in found]),
    ):
        if plots is not None:
            ours = [(e.number, value) for e, value in zip(found, values, strict=True)]
            theirs = [(i, pair[place]) for i, pair in enumerate(PUBLISHED, 1)]
            words = "feature angle, radians, summed over two networks" if name == "angle" else "SSIM"
            figure = lines({"P3Mask here": ours, "the authors' log": theirs}, xlabel="epoch", ylabel=words)
            save_figure(figure, plots / f"p3mask_{name.lower()}.svg")


def main() -> int:
    """Print the table; 1 when the curves disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few epochs")
    parser.add_argument("--plots", type=Path, help="a folder for the plots of the schedule")
    quick, plots = (vars(parser.parse_args())[name] for name in ("quick", "plots"))
    networks, many = subject()
    photos = many[:PHOTOS]
    team, epochs, repetitions = Team(*networks), 2 if quick else 6, 1 if quick else 3
    mask = P3Mask(epochs=epochs)
    steps = -(-len(photos) // mask.batch_size) * epochs
    ours: list[float] = []
    theirs: list[float] = []
    curves: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for _ in range(repetitions):
        draws = torch.Generator().manual_seed(SEED)
        start = mask.started(photos, draws)
        begun = time.perf_counter()
        found = [(e.angle, e.dssim) for e in mask.learning(photos, team, draws, start)]
        ours.append((time.perf_counter() - begun) / steps)
        begun = time.perf_counter()
        expected = plain(networks, photos, mask, start, epochs)
        theirs.append((time.perf_counter() - begun) / steps)
        curves = (found, expected)
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"a step of {mask.batch_size} photos: ours {statistics.median(ours):.3f} s, ", end="")
    print(f"plain loop {statistics.median(theirs):.3f} s, ratio {ratio:.2f} (median of {repetitions})")
    print("epoch  angle ours / plain   DSSIM ours / plain")
    for number, (a, b) in enumerate(zip(*curves, strict=True), 1):
        print(f"{number:5d}  {a[0]:.3f} / {b[0]:.3f}        {a[1]:.4f} / {b[1]:.4f}")
    if not quick:
        draws = torch.Generator().manual_seed(SEED)
        whole, begun = P3Mask(), time.perf_counter()
        last = whole.started(photos, draws)
        for epoch in whole.learning(photos, team, draws, last):
            last = epoch
        print(f"a mask of {len(photos)} photos, {whole.epochs} epochs: {time.perf_counter() - begun:.1f} s", end="")
        print(f" (angle {last.angle:.2f}, SSIM {last.ssim:.3f}); published, larger networks and 84 photos: 93 minutes")
        schedule(many, team, plots)
    return int(any(abs(a[0] - b[0]) > APART * b[0] for a, b in zip(*curves, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
