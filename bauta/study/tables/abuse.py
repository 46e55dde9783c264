"""Rows of `pmt-abuse` -> the tables that answer it. What is a best or a worst of several is chosen here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch

from bauta import zoo
from bauta.errors import UsageError
from bauta.metrics.base import Interval
from bauta.recognizers import build
from bauta.study.found import CLEAN, EQ10, HOLDER, ITSELF, OWNER, STRANGER, TAR, VIEWER, Found, party
from bauta.study.published import PAPER_READERS, PAPER_TABLE_VII_LFW
from bauta.study.records import Row
from bauta.study.tables.base import Cells, Table, count, failed, percent, reached


def abuse_tables(rows: Iterable[Row]) -> list[Table]:
    """Everything that the rows answer, without the tables that would be empty."""
    found = Found(rows)
    one, more = list(found.chosen().values()), found.several()
    made = [
        *about(found, one, "", "pictures for one recognizer"),
        *about(found, more, "two-", "pictures for two recognizers (MR-PMT)"),
        *(depth_table(name, depth_rows(found, name)) for name in found.chosen()),
        *table_vii(found),
        failed(found),
    ]
    return [table for table in made if table.rows]


def about(found: Found, systems: Sequence[str], prefix: str, words: str) -> list[Table]:
    """Utility, survival, acceptance, leak and client holder of some systems."""
    read = [s for s in found.systems() if s.split(", read by ")[0] in systems and not party(s).service]
    own = [s for s in read if found.get(s, OWNER, EQ10) is not None]
    return [
        Table(
            f"{prefix}utility",
            f"What the authorized recognizer keeps: {words}",
            "Percent, each recognizer at its own LFW threshold. Eq. 10: the protected picture is accepted as its own "
            "original and the pair is decided rightly. lost: points below the clean pairs.",
            [utility(found, system) for system in own],
        ),
        Table(
            f"{prefix}survival",
            f"Eq. 10 in percent after a service has changed the picture: {words}",
            "",
            survival(found, own),
        ),
        Table(
            f"{prefix}acceptance",
            f"Who else accepts the pictures: {words}",
            "Percent, by Eq. 10. purified: the filter that helps this reader most, of all that were tried (the "
            "interval does not count the choice). strangers: pairs of two people that are accepted, which shows "
            "whether an acceptance means anything.",
            over(found, systems, acceptance),
        ),
        Table(
            f"{prefix}leak",
            f"What the pictures still say about who they show: {words}",
            "Rates in [0, 1]; chance is AUC 0.5, TAR 0.01 and one over the number of people. TAR is taken at the "
            "threshold that lets 1 % of strangers pass on these very pictures. purified: the best filter for each "
            "number by itself; by names the one for the AUC.",
            [*([] if prefix else clean_leak(found)), *over(found, systems, leak)],
            3,
        ),
        Table(
            f"{prefix}client",
            f"What the holder of the client's layers reads from them: {words}",
            "Rates in [0, 1]. The threshold is the best one on clean pairs.",
            [holder(found, s) for s in systems if any(a.startswith(HOLDER) for a in found.attacks(s))],
            3,
        ),
    ]


def over(found: Found, systems: Sequence[str], lines: Callable[[Found, str, str], list[Cells]]) -> list[Cells]:
    """The lines of each system and each of its foreign readers."""
    return [line for system in systems for reader in found.readers(system) for line in lines(found, system, reader)]


def utility(found: Found, system: str) -> Cells:
    """One line: what the authorized recognizer makes of clean and of protected pictures."""
    who = party(system)
    clean, own = (percent(found.get(system, OWNER, metric)) for metric in (CLEAN, EQ10))
    return {
        "authorized": who.names,
        "cut": who.cuts,
        "read by": who.reader,
        "clean": clean,
        "Eq. 10": own,
        "lost": None if clean is None or own is None else clean.value - own.value,
        "strangers": percent(found.get(system, OWNER, STRANGER)),
        "cosine": found.get(system, OWNER, "cosine to itself"),
        "AUC": found.get(system, OWNER, "AUC"),
        "SSIM": found.get(system, VIEWER, "SSIM"),
        "pairs": count(own),
    }


def survival(found: Found, systems: Sequence[str]) -> list[Cells]:
    """One line a system, one column a service."""
    services = list(dict.fromkeys(filter(None, (party(s).service for s in found.systems()))))
    lines: list[Cells] = []
    for system in systems:
        after = {service: percent(found.get(f"{system} | {service}", OWNER, EQ10)) for service in services}
        if any(after.values()):
            own = percent(found.get(system, OWNER, EQ10))
            who = party(system)
            lines.append(
                {"authorized": who.names, "read by": who.reader, "as written": own, **after, "pairs": count(own)}
            )
    return lines


def acceptance(found: Found, system: str, reader: str) -> list[Cells]:
    """What a foreign reader accepts, raw and behind its best purifier."""
    raw = found.raw(system, reader, EQ10)
    by, reached = found.purified(system, reader, EQ10) or (None, None)
    purified = f"Purify(ForeignRecognizer({reader!r}), {by!r})"
    return [
        {
            "authorized": party(system).names,
            "reader": reader,
            "clean": percent(found.raw("bare", reader, EQ10)),
            "raw": percent(raw),
            "purified": percent(reached),
            "by": by,
            "strangers raw": percent(found.raw(system, reader, STRANGER)),
            "strangers purified": percent(found.get(system, purified, STRANGER)),
            "pairs": count(raw or reached),
        }
    ]


def linked(get: Callable[[str], Interval | None]) -> Cells:
    """The three numbers that say how well pictures are linked, and on how much."""
    area, ranked = get("AUC"), get("rank-1")
    return {"AUC": area, "TAR": get(TAR), "rank-1": ranked, "people": count(ranked), "pairs": count(area)}


def clean_leak(found: Found) -> list[Cells]:
    """What each reader reaches where nothing is protected."""
    return [
        {"authorized": "(nothing protected)", "reader": reader, "picture": "clean"}
        | linked(lambda metric, reader=reader: found.raw("bare", reader, metric))  # type: ignore[misc]
        for reader in found.readers("bare")
    ]


def leak(found: Found, system: str, reader: str) -> list[Cells]:
    """How well a foreign reader still links the pictures, raw and behind its best purifier."""
    names = {"authorized": party(system).names, "reader": reader}
    lines: list[Cells] = [{**names, "picture": "raw"} | linked(lambda metric: found.raw(system, reader, metric))]
    area = found.purified(system, reader, "AUC")
    if area is not None:
        reached = linked(lambda metric: (found.purified(system, reader, metric) or (None, None))[1])
        lines.append({**names, "picture": "purified"} | reached | {"by": area[0]})
    return lines


def holder(found: Found, system: str) -> Cells:
    """One line: what whoever holds the client's layers makes of the pictures."""
    who = party(system)
    names = ("Eq. 10", EQ10), ("as itself", ITSELF), ("strangers", STRANGER)
    rates = {name: found.holder(system, metric) for name, metric in names}
    return {"authorized": who.names, "cut": who.cuts, **rates} | linked(lambda metric: found.holder(system, metric))


def depth_rows(found: Found, name: str) -> list[Cells]:
    """The depth curve of one network, one row a cut, as `bauta.report.depth_curve` takes it.

    All are rates by Eq. 10: the authorized recognizer, the foreign recognizer that reaches most (raw, purified), and
    the holder of the client's layers at the best threshold on clean pairs. AUC: the most that any foreign recognizer
    reaches, raw or purified.
    """
    layers = layer_names(name)
    cuts = {party(s).authorized[0][1]: s for s in found.systems() if is_cut_of(s, name)}
    return [
        {"cut": cut, "layer": layers.get(cut), **reached(found, cuts[cut])}
        for cut in sorted(cuts)
        if found.get(cuts[cut], OWNER, EQ10) is not None
    ]


def is_cut_of(system: str, name: str) -> bool:
    """Whether a system is this network's alone, before any service."""
    who = party(system)
    return who.names == name and not who.service


DEPTH = {
    "cut": "cut",
    "layer": "layer",
    "authorized": "authorized",
    "foreign_raw": "worst foreign",
    "raw_by": "which",
    "foreign_purified": "worst foreign, purified",
    "purified_by": "which, by",
    "foreign_auc": "highest foreign AUC",
    "client_holder": "client holder",
    "client_auc": "client holder's AUC",
    "pairs": "pairs",
}


def depth_table(name: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """The depth curve as a table."""
    return Table(
        f"depth-{name}",
        f"How deep to cut {name}",
        "Rates in [0, 1] by Eq. 10, by how many layers the client holds. The worst foreign recognizer is the one that "
        "reaches most, of those that were tried; purified, behind the filter that helps it most. The client holder "
        "has the best threshold on clean pairs.",
        [{words: row[key] for key, words in DEPTH.items()} for row in rows],
        3,
    )


def layer_names(name: str) -> dict[int, str]:
    """Cut -> the name of the last layer that the client holds; empty for a network that nobody knows here."""
    try:
        with torch.device("meta"):
            return dict(enumerate(build(zoo.weights(name)).layer_names(), start=1))
    except UsageError:
        return {}


def table_vii(found: Found) -> list[Table]:
    """The paper's grid and ours: the networks differ, so they stand beside each other and are not one."""
    systems = found.chosen()
    ours: list[Cells] = []
    for name, system in systems.items():
        readers = found.readers(system)
        reached = {reader: percent(found.raw(system, reader, EQ10)) for reader in readers}
        values = [interval.value for interval in reached.values() if interval is not None]
        own = percent(found.get(system, OWNER, EQ10))
        ours.append(
            {"authorized": name, **dict.fromkeys(systems), **reached, name: own}
            | {"average unauthorized": sum(values) / len(values) if values else None, "pairs": count(own)}
        )
    theirs: list[Cells] = []
    for row, (name, values_) in enumerate(PAPER_TABLE_VII_LFW.items()):
        others = [value for column, value in enumerate(values_) if column != row]
        grid = dict(zip(PAPER_READERS, values_, strict=True))
        theirs.append({"authorized": name, **grid, "average unauthorized": sum(others) / len(others)})
    return [
        Table(
            "table-vii",
            "Table VII on LFW, measured: authorized network by reader",
            "Percent by Eq. 10 on the pictures as they are; on the diagonal the authorized network itself.",
            ours,
        ),
        Table(
            "table-vii-paper",
            "Table VII on LFW, as the paper has it: authorized network by reader",
            "Percent. Other networks than ours, so beside our table and not one with it. The paper gives no n and no "
            "intervals; all its figures are multiples of 1/104.",
            theirs if ours else [],
        ),
    ]
