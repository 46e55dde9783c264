"""What AdvFace costs the authorized recognizer on LFW's whole protocol: by epsilon, bound and side.

    python benchmarks/advface_recognition.py [--recognizer NAME] [--cut N] [--pairs N]

All 6,000 pairs: accuracy by ten folds and TAR at a FAR of 0.001, and what both lose to the bare recognizer on the same
pairs, with 95 % intervals from resampling identities. The second picture of each pair is stored and protected, the
first one is live; "both sides" protects the live one too. The shadow model learns from the people of LFW who are in no
pair.
Needs BAUTA_MIRROR; about an hour and a half of one core.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys

import torch

from bauta import zoo
from bauta.faces import load_pairs
from bauta.pipeline import Pipeline, System
from bauta.protections import AdvFace
from bauta.recognizers import load
from bauta.study.presets import public_faces
from bauta.study.records import Row
from bauta.study.verification import verified

EPSILONS, SQUARED = (0.1, 0.2, 0.3, 0.5), 0.3
BLANK = Row("", "", "utility", "", "", None)


def words(row: Row) -> str:
    """A rate and its interval, in percent or points."""
    assert row.value is not None
    assert row.low is not None
    assert row.high is not None
    return f"{row.metric} {100 * row.value:.2f} [{100 * row.low:.2f}, {100 * row.high:.2f}]"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recognizer", default="mobilefacenet-casia")
    parser.add_argument("--cut", type=int, default=5)
    parser.add_argument("--pairs", type=int)
    asked = parser.parse_args()
    if zoo.mirror() is None:
        sys.exit("set BAUTA_MIRROR to a folder that holds LFW and the weights")
    recognizer, pairs = load(asked.recognizer, cut=asked.cut).frozen(), load_pairs("lfw", asked.pairs)
    public = public_faces("lfw", pairs)
    assert public is not None
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{asked.recognizer}, cut {asked.cut}: {len(pairs)} pairs, {len(public)} public faces, seed 0")
    first = AdvFace().fit(public, recognizer)
    plain = Pipeline(recognizer)
    shown = {f"AdvFace({epsilon})": AdvFace(epsilon) for epsilon in EPSILONS}
    shown[f"AdvFace({SQUARED}, bound='l2')"] = AdvFace(SQUARED, bound="l2")
    systems = {"nothing": System(plain, plain)}  # whose losses are 0: both sides of a comparison are alike
    for name, protection in shown.items():
        stored = Pipeline(recognizer, protection.restored(first.learned()))
        systems[name] = System(plain, stored)
        if protection.epsilon == first.epsilon:
            systems[f"{name}, both sides"] = System(stored, stored)
    for name, system in systems.items():
        print(f"{name:34}{'; '.join(map(words, verified(BLANK, system, pairs)))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
