"""Rows of `pmt-parameters` -> Tables III to V and Figures 4 and 5, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.metrics.base import Interval
from bauta.study.found import EQ10, OWNER, VIEWER, Found, most, party
from bauta.study.presets.parameters import CHOICES, KAPPA
from bauta.study.presets.variants import AUTHORIZED, UNAUTHORIZED
from bauta.study.published import PAPER_CHOICES
from bauta.study.records import Row
from bauta.study.tables.base import Cells, Curve, Table, agreement, compared, count, failed, percent, printed, reached
from bauta.study.tables.noise import Points, curve, models, noises, points, traded
from bauta.types import Stage

# Option -> the table's title, and what the paper settles on.
TITLES = {
    "start": ("Table III: what the picture starts from", "noise"),
    "augment": ("Table IV: augmentation", "noise"),
    "aggregate": ("Table IV: layer aggregation", "yes"),
    "kernel": ("Table V: the kernel that smooths the gradient", "gaussian"),
    "length": ("The kernel's length (Figure 4 has it as curves)", "1"),
    "stop": ("When a picture stops (the paper names no rule)", "never"),
}
BESIDE = (
    f"Percent by Eq. 10; AUC in [0, 1]. Here {AUTHORIZED} is authorized and {UNAUTHORIZED} reads, each at its own LFW "
    "threshold; the paper has IR50-Softmax, MobileFace, AgeDB-30 and a threshold of 0.2, and as many pairs as 104, to "
    "judge by its numbers. worst foreign: the reader that accepts most, raw or behind a filter. verdict: "
    "unauthorized acceptance against the paper's choice, by whether intervals meet; the paper's are those of 104 pairs."
)


def parameters_tables(rows: Iterable[Row]) -> list[Table]:
    """One table an option, what services leave of each augmentation, and UP under noise."""
    found = Found(rows)
    return [
        *(option_table(found, option) for option in CHOICES),
        Table(
            "services",
            "Eq. 10 in percent after a service has changed the picture, by augmentation",
            "",
            [services(found, system) for system in lined(found, "augment")],
        ),
        *(up_table(found, option, figure) for option, figure in (("length", "Figure 4"), ("augment", "Figure 5"))),
        failed(found),
    ]


def parameters_curves(rows: Iterable[Row]) -> list[Curve]:
    """Figures 4 and 5: UP against noise, one plot for each base at each cut, one line a choice."""
    found = Found(rows)
    made = []
    for option, figure in (("length", "Figure 4"), ("augment", "Figure 5")):
        series: dict[tuple[object, object], dict[str, Points]] = {}
        for system in lined(found, option):
            facts = found.facts(system)
            lines = series.setdefault((facts["base"], facts["cut"]), {})
            lines[choice(found, system, option)] = points(found, system, "UP", Stage.IMAGES, KAPPA)
        for (base, cut), lines in series.items():
            name = f"up_{option}_{str(base).replace(' ', '-').replace(chr(39), '')}_cut{cut}"
            title = f"{figure}: {option}, around {base}, cut {cut}"
            made += curve(name, title, Stage.IMAGES, f"UP at kappa {KAPPA:g}", lines)
    return made


def lined(found: Found, option: str) -> list[str]:
    """The systems in which nothing but `option` varies, as they were measured; the bases are among them."""
    plain = [system for system in found.systems() if not party(system).service]
    return [system for system in plain if found.facts(system).get("varied") in ("", option)]


def whose(found: Found, system: str, option: str) -> Cells:
    """The first columns of a line."""
    facts = found.facts(system)
    return {"around": facts["base"], "cut": facts["cut"], option: choice(found, system, option)}


def choice(found: Found, system: str, option: str) -> str:
    """What a system's PMT has chosen."""
    choices = found.facts(system)["choices"]
    return str(choices[option]) if isinstance(choices, dict) else ""


def option_table(found: Found, option: str) -> Table:
    """Every choice of one option, around each base at each cut."""
    title, settled = TITLES[option]
    lines = []
    for system in lined(found, option):
        facts = found.facts(system)
        same = (facts["base"], facts["cut"])
        others = [s for s in lined(found, option) if (found.facts(s)["base"], found.facts(s)["cut"]) == same]
        reference = next((s for s in others if choice(found, s, option) == settled), None)
        lines.append(line(found, system, option) | verdict(found, system, reference, option))
    return Table(option, title, BESIDE, lines)


def line(found: Found, system: str, option: str) -> Cells:
    """What one setting of PMT gives."""
    far = reached(found, system)
    worst = most([("", i) for i in (far["foreign_raw"], far["foreign_purified"]) if isinstance(i, Interval)])
    printed_here = PAPER_CHOICES.get(option, {}).get(choice(found, system, option), (None, None))
    beside = {"paper authorized": printed_here[0], "paper unauthorized": printed_here[1]}
    return {
        **whose(found, system, option),
        "authorized": percent(found.get(system, OWNER, EQ10)),
        "unauthorized": percent(unauthorized(found, system)),
        **(beside if option in PAPER_CHOICES else {}),
        "worst foreign": percent(worst[1] if worst else None),
        "highest AUC": far["foreign_auc"],
        "client holder's AUC": far["client_auc"],
        "SSIM": found.get(system, VIEWER, "SSIM"),
        "pairs": far["pairs"],
    }


def verdict(found: Found, system: str, reference: str | None, option: str) -> Cells:
    """Whether the unauthorized network accepts more than with the paper's choice: there, and here."""
    if found.quick or reference is None:
        return {}
    own, settled = choice(found, system, option), choice(found, reference, option)
    if own == settled:
        return {"verdict": "the paper's choice"}
    here = compared(unauthorized(found, system), unauthorized(found, reference))
    paper = PAPER_CHOICES.get(option, {})
    if own not in paper:
        return {"verdict": here and f"not in the paper; here {here}"}
    return {"verdict": agreement(compared(printed(paper[own][1]), printed(paper[settled][1])), here)}


def unauthorized(found: Found, system: str) -> Interval | None:
    """What the one unauthorized network that stands for the paper's accepts of the pictures as they are."""
    return found.raw(system, UNAUTHORIZED, EQ10)


def services(found: Found, system: str) -> Cells:
    """What each service leaves of one augmentation's use."""
    after = {party(s).service: s for s in found.systems() if s.startswith(f"{system} | ")}
    return {
        **whose(found, system, "augment"),
        "as written": percent(found.get(system, OWNER, EQ10)),
        **{service: percent(found.get(name, OWNER, EQ10)) for service, name in after.items()},
        "pairs": count(found.get(system, OWNER, EQ10)),
    }


def up_table(found: Found, option: str, figure: str) -> Table:
    """UP of every choice of an option, one column a noise."""
    lines = []
    for system in lined(found, option):
        levels = noises(found, system, Stage.IMAGES)
        ups = {f"noise {n:g}": traded(found, system, "UP", Stage.IMAGES, n, KAPPA) for n in levels}
        if ups:
            faces = next((i.n for i in ups.values() if i is not None), None)
            lines.append({**whose(found, system, option), **ups, "faces": faces})
    return Table(
        f"up-{option}",
        f"{figure}: UP by {option} and noise on the pictures",
        f"UP (Eq. 9) at kappa {KAPPA:g}: how often the authorized recognizer accepts, plus how different the pictures "
        f"are to {models(found)}. The paper's curves have no numbers: not at hand.",
        lines,
        3,
    )
