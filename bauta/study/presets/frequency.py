"""`frequency`: the five schemes that hide a face in its DCT, trained alike, recognizing and attacked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch

from bauta.attacks import Attack, ForeignRecognizer, InverseDCT, Knows, Linkage, RecFace, Unshuffled
from bauta.attacks.reconstruction.linear_inversion import LinearInversion
from bauta.errors import BautaError, MissingError
from bauta.faces import Pairs, load_dataset
from bauta.metrics.draws import mean_interval
from bauta.pipeline import Pipeline, System
from bauta.study.found import OWNER
from bauta.study.judge import filled
from bauta.study.presets.frequencynetworks import CAST, SCHEMES, TWIN, Networks, Scheme, is_gray
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import AUTHORIZED as JUDGE
from bauta.study.records import Row, complete
from bauta.study.run import cell_of, run, seed_everything
from bauta.study.verification import verified
from bauta.train import ColorCast
from bauta.types import Faces

QUICK = (TWIN, "PartialFace", "MinusFace")
QUICK_PAIRS, QUICK_FACES = 20, 32
ATTACKED = 200  # pairs whose first pictures are attacked; recognition is measured on all
ATTACKERS, LINKED = 1500, 500  # faces that attackers have, and those of them whose leaks a student can keep in memory
# steps of those who learn for longer, with the keys: a network is slow to learn what is drawn anew for each picture
LONGER = {"PartialFace": (600,), "MinusFace": (600, 1500)}
TIMED = 50
COLOR = {"utkface": 1500, "celeb12": 900}  # sets in color, and how many of their faces attackers have
COLORED = 100
TRAINER, CLIENT_TIME, BYTES = "the trainer", "client's milliseconds", "bytes sent"


def frequency(settings: Settings, quick: bool) -> Iterator[Row]:
    """DuetFace, PPFR-FD, DCTDP, PartialFace and MinusFace, trained by one preset: accuracy, recovery, linkage, cost.

    DCTDP stands there twice: at its tables' mean budget of 0.5, and at 4, the largest that its paper plots.

    The unprotected twin and a server behind each scheme begin with the layers of `bauta-residual` and follow its
    teacher, by one recipe, on the data set's people who are neither victims nor the attackers'; one draw of a picture
    in a batch, another in each epoch (the papers put 18 of PartialFace's and 3 of MinusFace's into a batch). Of LFW the
    victims are those pairs whose people no network has learned from; the attackers' people the start has seen. Networks
    lie in OUT/networks and are trained once. **Where the pictures are gray (LFW's aligned copy), all of them, the
    twin's and the attackers' too, are under a random color cast of strength 0.4, one a picture**: else Cb and Cr would
    be empty.

    Of each: accuracy on the protocol's folds and TAR at a FAR of 0.001, both sides protected, and what is lost to
    the twin on the same pairs; the client's time and bytes for a face. Attackers of the first pictures of 200
    pairs: `LinearInversion`, `InverseDCT`, `RecFace` with the victim's keys ("white-box"), with keys of its own
    where there are keys ("black-box"), and `Linkage`. Where each picture has its own draw, `RecFace` also learns
    for longer: 600 steps with the keys (behind MinusFace also 1,500) and with the draws ("enhanced white-box"). On
    the twin each is unaware. Reconstructions are judged beside clean pictures, by the twin and by a recognizer that
    took no part. Then recovery again in true color, on UTKFace and the celebrities, by attackers with faces of
    these sets.

    Cost, of one core that is left alone: a picture takes a training 15 ms behind PartialFace, 27 as the twin, 36
    behind PPFR-FD, 83 behind DCTDP, 64 in DuetFace's client and 120 in MinusFace's first stage; with 9,000 pictures
    all nine are three hours. Recognition and the two attackers without training are five minutes a scheme, ten
    where there is noise, a training of `RecFace` about five, and there are 26 of these, four of them four and one
    ten times as long. quick: the twin, PartialFace and MinusFace, one epoch on 16 pictures, on 20 pairs and without
    the sets in color; about two minutes of one core.
    """
    names = QUICK if quick else tuple(SCHEMES)
    settings = settings.unseen()
    cast = CAST if is_gray(settings.victims.faces) else 0.0
    settings = settings.few(QUICK_PAIRS, QUICK_FACES) if quick else settings.few(public=ATTACKERS)
    networks = Networks(settings, cast, quick)
    settings = lit(settings, cast)
    for name in names:
        facts = {"protection": name, "cast": cast, "study": "frequency", "quick": quick}
        asked = cells(settings, name, quick) | (set() if quick else in_color_cells(name))
        if asked <= settings.done:
            continue
        try:
            pipeline = networks.pipeline(name)
        except MissingError:
            raise  # without the teacher there is no study
        except BautaError as error:
            blank = Row(training_cell(name), name, "utility", TRAINER, "failed", None, note=str(error))
            yield from stamped(complete([replace(blank, private_when="", seed=settings.seed)]), **facts)
            continue
        recipe = ", ".join(map(repr, pipeline.protections)).replace(f"{networks.folder}/", "")  # whose name is nobody's
        facts |= {"recipe": recipe or "none"}
        yield from stamped(measured(settings, name, networks, pipeline, quick), **facts)
        if not quick:
            for data in COLOR:
                yield from stamped(in_color(settings, name, pipeline, data), **(facts | {"cast": 0.0, "data": data}))


def lit(settings: Settings, cast: float) -> Settings:
    """The same victims and attackers' faces under the cast."""
    if not cast:
        return settings
    light, victims = ColorCast(cast, seed=settings.seed), settings.victims
    faces, public = light(victims.faces), settings.public
    seen = Pairs(faces, victims.first, victims.second, victims.same, victims.fold)
    return replace(settings, victims=seen, public=None if public is None else light(public))


def measured(settings: Settings, name: str, networks: Networks, pipeline: Pipeline, quick: bool) -> Iterator[Row]:
    """Everything about one scheme, without the cells that are done."""
    blank = Row("", name, "utility", OWNER, "", None, private_when="", seed=settings.seed)
    own: dict[str, Callable[[Row], Iterable[Row]]] = {
        training_cell(name): lambda cell: learning(cell, networks.curve(name)),
        f"{name} / recognition": lambda cell: verified(cell, System(pipeline, pipeline), settings.victims),
        f"{name} / client": lambda cell: cost(cell, pipeline, settings.victims.faces[:TIMED]),
    }
    for cell, rows in own.items():
        if cell not in settings.done:
            seed_everything(settings.seed, cell)
            yield from complete(rows(replace(blank, cell=cell)))
    for part, attacks in parts(settings, name, quick):
        yield from attacked(part, name, pipeline, attacks)


def attacked(settings: Settings, name: str, pipeline: Pipeline, attacks: list[Attack]) -> Iterator[Row]:
    """One scheme under some attacks, compared with clean pictures; `recognition` says what its owner makes of it."""
    yield from run(
        {name: System(pipeline, pipeline.bare())},
        attacks,
        settings.public,
        settings.victims,
        settings.seed,
        skip=settings.done | {f"{name} / utility"},
        judge=ForeignRecognizer(JUDGE),
        fits=settings.fits,
        show=settings.show,
    )


def learning(blank: Row, curve: Iterable[dict[str, str]]) -> Iterator[Row]:
    """The learning curve: accuracy on the victims' pairs after each epoch, and the seconds of all."""
    blank, seconds = replace(blank, attack=TRAINER), 0.0
    for epoch in curve:
        seconds += float(epoch["seconds"])
        value, low, high = (float(epoch[key]) for key in ("accuracy", "low", "high"))
        metric, n = f"accuracy after epoch {float(epoch['epoch']):.0f}", round(float(epoch["pairs"]))
        yield replace(blank, metric=metric, value=value, low=low, high=high, n=n)
    yield replace(blank, metric="seconds of training", value=seconds)


def cost(blank: Row, pipeline: Pipeline, faces: Faces) -> Iterator[Row]:
    """How long the client takes for a face, one by one, and how much it sends, as 32-bit numbers."""
    seconds, sent = [], 0
    with torch.no_grad():
        pipeline.features(faces[:1])  # what is set up once
        for row in range(len(faces)):
            face = faces[row : row + 1]
            begun = time.perf_counter()
            wire = pipeline.features(face)
            seconds.append(time.perf_counter() - begun)
            sent = wire.numel() * 4
    threads = f"{torch.get_num_threads()} threads"
    taken = mean_interval(1000 * torch.tensor(seconds))
    yield filled(replace(blank, metric=CLIENT_TIME, note=threads), taken)
    yield replace(blank, metric=BYTES, value=float(sent))


def parts(settings: Settings, name: str, quick: bool) -> Iterator[tuple[Settings, list[Attack]]]:
    """Who attacks a scheme, with how many faces of his own."""
    few, scheme = settings.few(ATTACKED), SCHEMES[name]
    yield few, recovering(name, scheme, quick)
    linkage = Linkage(epochs=0) if quick else Linkage()
    yield few.few(public=LINKED), [linkage.knowing(knows=knowing(name))]


def recovering(name: str, scheme: Scheme, quick: bool) -> list[Attack]:
    """Those who draw the picture: with the keys, with keys of their own, with each picture's draw."""
    made = drawing(name, scheme, quick)
    if scheme.keyed:
        made.append(network(quick).knowing(knows=Knows.SCHEME))
    if scheme.drawn:
        longer = [network(quick, steps) for steps in LONGER[name]]
        made += [one.knowing(knows=knowing(name)) for one in longer[: 1 if quick else None]]
        made.append(Unshuffled(longer[0]))
    return made


def drawing(name: str, scheme: Scheme, quick: bool) -> list[Attack]:
    """One attacker of each kind: who solves, who transforms back, who learns."""
    knows, drawn = knowing(name), Knows.DRAW if scheme.drawn else knowing(name)
    linear = LinearInversion(steps=5, candidates=1) if quick else LinearInversion()
    return [linear.knowing(knows=knows), InverseDCT().knowing(knows=drawn), network(quick).knowing(knows=knows)]


def network(quick: bool, steps: int = 150) -> RecFace:
    """Who learns, within minutes of one core."""
    if quick:
        return RecFace(steps=max(3, steps // 150), batch_size=8, width=0.5)
    return RecFace(steps=steps, batch_size=16, width=0.5)


def knowing(name: str) -> Knows:
    """What the papers' white-box attacker knows; nobody needs to know anything of the twin."""
    return Knows.NOTHING if name == TWIN else Knows.KEYS


def in_color(settings: Settings, name: str, pipeline: Pipeline, data: str) -> Iterator[Row]:
    """Recovery of faces in true color, by attackers who have others of the same set: pictures alone are judged."""
    system = f"{name}, {data}"
    if in_color_cells(name, [data]) <= settings.done:
        return
    try:
        victims, public = apart(load_dataset(data), COLOR[data])
    except BautaError as error:
        blank = Row(f"{system} / data", system, "attack", "", "failed", None, seed=settings.seed, note=str(error))
        yield from complete([blank])
        return
    yield from run(
        {system: System(pipeline, pipeline.bare())},
        drawing(name, SCHEMES[name], quick=False),
        public,
        victims,
        settings.seed,
        skip=settings.done | {f"{system} / utility"},
        fits=settings.fits,
        show=settings.show,
    )


def apart(faces: Faces, held: int) -> tuple[Faces, Faces]:
    """100 victims, and at most `held` faces for the attackers: of other people, where it is known who is who."""
    order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))
    if faces.identity is None:
        return faces[order[:COLORED]], faces[order[COLORED : COLORED + held]]
    first = torch.unique(faces.identity)[::2]
    theirs = torch.isin(faces.identity[order], first)
    return faces[order[theirs][:COLORED]], faces[order[~theirs][:held]]


def in_color_cells(name: str, sets: Iterable[str] = tuple(COLOR)) -> set[str]:
    """What is asked of one scheme in color."""
    attacks = drawing(name, SCHEMES[name], quick=False)
    return {cell_of(f"{name}, {data}", attack) for data in sets for attack in attacks}


def cells(settings: Settings, name: str, quick: bool) -> set[str]:
    """What is asked of one scheme."""
    attacks = [cell_of(name, attack) for _, attacks in parts(settings, name, quick) for attack in attacks]
    return {training_cell(name), f"{name} / recognition", f"{name} / client", *attacks}


def training_cell(name: str) -> str:
    """The cell of a scheme's learning curve."""
    return f"{name} / training"
