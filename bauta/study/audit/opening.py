"""How an audit is opened: a plan is made and kept, or the kept one taken, and what runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bauta.errors import BadFile, BautaError
from bauta.faces import Pairs
from bauta.faces.images import write_bytes
from bauta.study import records
from bauta.study.audit.auditing import Auditing, Told
from bauta.study.audit.budget import Clock
from bauta.study.audit.cast import LEAST, MOST, level
from bauta.study.audit.laying import Laid, authorized, foreign, laid_out
from bauta.study.audit.plan import PAIRS, REPORT, Plan, cuts, first_pairs, planned
from bauta.study.audit.prices import measured
from bauta.study.audit.request import ROWS, SETTINGS, Request, kept
from bauta.study.audit.subjects import Stand, Subject, names_of
from bauta.study.gallery import Gallery, common_faces

PUBLIC = MOST.faces * 3 // 2  # a third of them is the provider's
READ_A_SECOND = 5  # public faces for each second of the budget


@dataclass(frozen=True)
class Opened:
    """An audit that can be run. settings: as they are written down."""

    request: Request
    auditing: Auditing
    settings: Mapping[str, Any]

    @property
    def cuts(self) -> list[str]:
        """What the budget made smaller."""
        return list(self.settings["cuts"])


def opened(request: Request, told: Told | None = None) -> Opened:
    """Load what is needed; make a plan and write it down, or take the one that is there.

    Raises `UsageError` for another audit's folder, `MissingData`, `MissingWeights`, `BadFile`.
    """
    level(request.attackers)
    names_of(request.protections)
    clock = Clock((1 - REPORT) * request.budget)
    network = authorized(request)
    readers = foreign(request.readers, network.name)
    stated = request.stated(readers)
    earlier = kept(request.out, stated)
    number = earlier["loaded"] if earlier else request.pairs or first_pairs(request.budget)
    most = earlier["read"] if earlier else min(PUBLIC, max(LEAST.faces * 6, round(READ_A_SECOND * request.budget)))
    laid = laid_out(request, network, readers, number, most)
    fitted: dict[str, Subject] = {}
    if earlier:
        settings, plan = earlier, Plan.read(earlier["plan"])
    else:
        fitted = prepared(laid.stand, laid.outlines, laid.victims)
        subjects = [fitted.get(one.name, one) for one in laid.outlines]
        prices = measured(laid.bare[0], subjects, laid.cast, laid.public, laid.victims)
        plan = planned(laid.outlines, laid.cast, prices, laid.victims, clock.left)
        said = cuts(plan, PAIRS[0], request.pairs is not None, laid.outlines, laid.cast)
        if most < PUBLIC and len(laid.public or ()) + laid.provider >= most:
            said.append(f"{most} public faces are read, for attackers and provider, instead of {PUBLIC}.")
        settings = stated | {"loaded": number, "read": most, "plan": plan.written(), "cuts": said}
        write_bytes(request.out / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())
    done = records.resume(request.out / ROWS)
    return Opened(request, auditing_of(request, laid, plan, clock, done, told, fitted), settings)


def joined(request: Request, done: frozenset[str], left: float) -> Auditing:
    """An audit that another process has opened, for one that helps it: the plan is read and nothing is written.

    done: cells that the other has. left: seconds. Raises as `opened`.
    """
    try:
        earlier = json.loads((request.out / SETTINGS).read_text(encoding="utf-8"))
        plan, number, most = Plan.read(earlier["plan"]), earlier["loaded"], earlier["read"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadFile(
            f"{request.out / SETTINGS} is not there for a worker ({error!r}); every worker must reach --out under the "
            "same path."
        ) from error
    network = authorized(request)
    laid = laid_out(request, network, foreign(request.readers, network.name), number, most)
    return auditing_of(request, laid, plan, Clock(left), done)


def auditing_of(
    request: Request,
    laid: Laid,
    plan: Plan,
    clock: Clock,
    done: frozenset[str],
    told: Told | None = None,
    fitted: dict[str, Subject] | None = None,
) -> Auditing:
    """What runs the plan."""
    return Auditing(
        laid.outlines,
        laid.stand,
        laid.cast,
        laid.public,
        laid.victims,
        plan,
        request.seed,
        clock,
        request.out,
        done,
        Gallery(request.out, common_faces(laid.victims)) if request.faces else None,
        told,
        fitted or {},
    )


def prepared(stand: Stand, outlines: Sequence[Subject], victims: Pairs) -> dict[str, Subject]:
    """The systems, fitted; one that cannot be is left to the audit's cells, which will say why, and personal masks to
    the plan, which says for how many people there is time."""
    made = {}
    for one in outlines:
        if one.bare or one.personal:
            continue
        try:
            made[one.name] = stand.subject(one.asked, victims)
        except BautaError:
            continue
    return made
