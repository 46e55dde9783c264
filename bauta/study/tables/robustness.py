"""Rows of `pmt-robustness` -> Figures 8 to 10 as tables, and what UP leaves out beside them."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.study.found import Found, party
from bauta.study.records import Row
from bauta.study.tables.base import Cells, Curve, Table, compared, count, failed, reached
from bauta.study.tables.noise import curve, models, noises, points, thresholds, traded
from bauta.types import Stage

KAPPA = 0.5  # section 6.6: "more strict"
NONE = "none"
CLOSE = 1e-9
WORDS = {NONE: "clean pictures", "ours": "PMT, ours", "the paper's": "PMT, the paper's"}


def robustness_tables(rows: Iterable[Row]) -> list[Table]:
    """The terms of UP under noise on pictures and on features, and UP by threshold."""
    found = Found(rows)
    systems = [s for s in found.systems() if not party(s).service]
    made = models(found)
    return [
        Table(
            "figure-8",
            f"Figure 8: utility and privacy by noise on the pictures, at kappa {KAPPA:g}",
            f"UP is utility plus privacy (Eq. 9); privacy is {made}: how different the pictures are, whoever they "
            "show. strangers: how often the authorized recognizer accepts somebody else under the same noise, at the "
            "same threshold; where that is often, its utility is none. Beside it what UP leaves out: the highest AUC "
            "of any foreign recognizer, raw or purified, and that of the client's holder. The paper's curves have no "
            "numbers. verdict: UP against the clean pictures' under the same noise, which the paper has lower from 0 "
            "to 0.2; and the clean pictures' utility at 0.2, which it has almost at 0.",
            [line(found, s, noise, Stage.IMAGES) for s in systems for noise in noises(found, s, Stage.IMAGES)],
            3,
        ),
        Table(
            "figure-9",
            f"Figure 9: the same by noise on the features, relative to their own deviation, at kappa {KAPPA:g}",
            f"Privacy is {made} of what RecFace, trained on clean features of other people, makes of the features.",
            [line(found, s, noise, Stage.FEATURES) for s in systems for noise in noises(found, s, Stage.FEATURES)],
            3,
        ),
        Table(
            "figure-10",
            "Figure 10: UP by noise on the pictures and threshold",
            "One column a threshold.",
            [by_threshold(found, s, noise) for s in systems for noise in noises(found, s, Stage.IMAGES)],
            3,
        ),
        failed(found),
    ]


def robustness_curves(rows: Iterable[Row]) -> list[Curve]:
    """Figures 8 and 9: both terms of UP against noise; Figure 10: UP by threshold. One plot a cut, or a system."""
    found = Found(rows)
    systems = [s for s in found.systems() if not party(s).service]
    made = []
    for cut in dict.fromkeys(found.facts(s)["cut"] for s in systems):
        here = {str(found.facts(s)["protection"]): s for s in systems if found.facts(s)["cut"] == cut}
        for stage, figure in ((Stage.IMAGES, 8), (Stage.FEATURES, 9)):
            series = {
                f"{WORDS.get(who, who)}: utility": points(found, s, "utility", stage, KAPPA) for who, s in here.items()
            }
            series |= {f"{WORDS.get(who, who)}: privacy": points(found, s, "privacy", stage) for who, s in here.items()}
            title = f"Figure {figure}: noise on {stage.value}, kappa {KAPPA:g}, cut {cut}"
            made += curve(f"noise_{stage.value}_cut{cut}", title, stage, "the two terms of UP", series)
        for who, s in here.items():
            series = {f"kappa {k:g}": points(found, s, "UP", Stage.IMAGES, k) for k in thresholds(found, s)[::2]}
            name = f"up_{who.replace(' ', '-').replace(chr(39), '')}_cut{cut}"
            made += curve(name, f"Figure 10: {WORDS.get(who, who)}, cut {cut}", Stage.IMAGES, "UP", series)
    return made


def whose(found: Found, system: str, noise: float) -> Cells:
    """The first columns of a line."""
    facts = found.facts(system)
    return {"protection": facts["protection"], "cut": facts["cut"], "noise": noise}


def line(found: Found, system: str, noise: float, stage: Stage) -> Cells:
    """One noise: UP, its terms, and the strongest readers."""
    up = traded(found, system, "UP", stage, noise, KAPPA)
    cells = whose(found, system, noise) | {
        "utility": traded(found, system, "utility", stage, noise, KAPPA),
        "strangers": traded(found, system, "strangers", stage, noise, KAPPA),
        "privacy": traded(found, system, "privacy", stage, noise),
        "UP": up,
        "cosine": traded(found, system, "cosine", stage, noise),
    }
    if stage is Stage.IMAGES:
        far = reached(found, f"{system} | noise {noise:g}")
        cells |= {"highest AUC": far["foreign_auc"], "client holder's AUC": far["client_auc"]}
    cells["faces"] = count(up)
    return cells if found.quick else cells | {"verdict": verdict(found, system, noise, stage)}


def verdict(found: Found, system: str, noise: float, stage: Stage) -> str:
    """UP against that of the clean pictures; for these, what the paper says of their utility."""
    facts = found.facts(system)
    if facts["protection"] == NONE:
        utility = traded(found, system, "utility", stage, noise, KAPPA)
        if stage is not Stage.IMAGES or abs(noise - 0.2) > CLOSE or utility is None:
            return ""
        here = "as in the paper" if utility.value < 0.1 else "differs"
        return f"{here}: {100 * utility.value:.0f} % accepted"
    same = [s for s in found.systems() if found.facts(s)["cut"] == facts["cut"]]
    plain = [s for s in same if found.facts(s)["protection"] == NONE]
    if not plain or noise > 0.2 + CLOSE:
        return ""
    ups = [traded(found, s, "UP", stage, noise, KAPPA) for s in (system, plain[0])]
    words = {"more": "as in the paper: above clean", "less": "differs: below clean", "alike": "differs: as clean"}
    return words.get(compared(ups[0], ups[1]), "")


def by_threshold(found: Found, system: str, noise: float) -> Cells:
    """UP at every threshold."""
    ups = {
        f"kappa {kappa:g}": traded(found, system, "UP", Stage.IMAGES, noise, kappa)
        for kappa in thresholds(found, system)
    }
    return whose(found, system, noise) | ups
