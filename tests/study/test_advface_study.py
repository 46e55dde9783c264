"""Study advface on tiny networks and pictures, and its tables: every number in its place."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch

from bauta.faces import Pairs
from bauta.metrics import bootstrap
from bauta.protections import AdvFace, GaussianNoise, NormMatchedNoise, RefreshedAdvFace
from bauta.report.table import measured
from bauta.study.presets.advface import DEEPER, OPTIONS, OTHERS, ROUNDS, advface, databases, taught
from bauta.study.presets.settings import Settings
from bauta.study.presets.variants import SHALLOW
from bauta.study.records import Row
from bauta.study.tables import study_of, tables
from bauta.types import Faces

preset = importlib.import_module("bauta.study.presets.advface")  # the package's name is the function's


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Tiny pairs in two folds, other people's faces, the tiny network and a tiny judge."""
    for module in ("metrics.draws", "study.verification"):
        monkeypatch.setattr(f"bauta.{module}.bootstrap", partial(bootstrap, draws=20))
    monkeypatch.setattr(preset, "network", lambda cut: tiny.recognizer())
    monkeypatch.setattr(preset, "ForeignRecognizer", lambda name: FOREIGN(tiny.recognizer("judge", seed=5)))
    monkeypatch.setattr(preset, "Linkage", lambda **options: LINKAGE(tiny.recognizer("teacher", seed=6), **options))
    pairs, others = tiny.pairs(), tiny.faces(200, seed=9)
    assert others.identity is not None
    gender = torch.arange(200) // 2 % 2
    public = replace(others, identity=others.identity + 100, attributes={"gender": gender})
    faces = replace(pairs.faces, attributes={"gender": torch.arange(12) // 2 % 2})
    victims = Pairs(faces, pairs.first, pairs.second, pairs.same, torch.arange(len(pairs)) % 2)
    return Settings(victims, tmp_path, 0, public=public)


FOREIGN, LINKAGE = preset.ForeignRecognizer, preset.Linkage


def test_a_database_and_who_attacks_it(settings: Settings) -> None:
    rows = list(advface(settings, True))
    assert not [row for row in rows if row.value is None]
    systems = list(dict.fromkeys(row.system for row in rows))
    assert systems == [
        "none tiny@5",
        "AdvFace tiny@5",
        "AdvFace tiny@5, both sides",
        "noise of its norm tiny@5",
        "noise of its norm tiny@5, both sides",
    ]
    by_cell = {(row.cell, row.attack.split("(")[0], row.knows) for row in rows if row.role == "attack"}
    attacks = Counter(name for cell, name, _ in by_cell if cell.startswith("AdvFace"))
    assert attacks == {"a viewer": 1, "RecFace": 2, "Linkage": 2, "MLPProbe": 2, "Inversion": 1}
    assert {knows for cell, name, knows in by_cell if name == "RecFace" and "none" in cell} == {"NOTHING"}
    for row in rows:
        assert (row.settings["study"], row.settings["quick"], row.settings["cut"]) == ("advface", True, SHALLOW)
        assert (row.settings["epsilon"] is None) == row.system.startswith("none")
    lost = {row.system: row.value for row in rows if row.metric == "accuracy, ten folds lost"}
    assert list(lost) == systems
    assert lost["none tiny@5"] == 0
    # what is done is not run again, and the last cell comes out alike
    last = rows[-1].cell
    done = frozenset(row.cell for row in rows) - {last}
    assert list(advface(replace(settings, done=done), True)) == [row for row in rows if row.cell == last]
    assert list(advface(replace(settings, done=frozenset(row.cell for row in rows)), True)) == []


def test_the_provider_and_the_attacker_learn_from_other_faces(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[str]] = {}

    class Watched(GaussianNoise):
        def fit(self, faces: Faces | None, *recognizers: object) -> Watched:
            assert faces is not None
            seen["provider"] = list(faces.digests())
            return self

    monkeypatch.setattr(preset, "databases", lambda cut, seed, quick: {"x": preset.Setting(Watched(), whole=False)})
    recface = preset.RecFace

    class Learning(recface):  # type: ignore[misc, valid-type]
        def fit(self, public: Faces, victim: object) -> object:
            seen.setdefault("attacker", []).extend(public.digests())
            return super().fit(public, victim)

    monkeypatch.setattr(preset, "RecFace", Learning)
    list(advface(settings, True))
    assert len(seen["provider"]) == 100
    assert seen["attacker"]
    assert not set(seen["provider"]) & set(seen["attacker"])


def test_what_is_compared_is_fixed_and_seeded() -> None:
    whole = databases(SHALLOW, 3, False)
    assert list(whole) == [
        "none",
        "AdvFace",
        "noise of its norm",
        *(name for other in OTHERS for name in (f"AdvFace, {other:g}", f"noise of its norm, {other:g}")),
        *(f"AdvFace, {name}" for name in OPTIONS),
        *(f"refreshed, {rounds}" for rounds in ROUNDS),
    ]
    for quick, cut in ((True, SHALLOW), *((False, deeper) for deeper in DEEPER)):
        some = databases(cut, 3, quick)
        assert list(some) == list(whole)[:3]
        assert {setting.whole for setting in some.values()} == {cut != DEEPER[-1]}
    for setting in whole.values():
        assert setting.protection is None or setting.protection.seed == 3
    assert whole["refreshed, 1"].protection is not None
    assert isinstance(whole["refreshed, 1"].protection, RefreshedAdvFace)
    default = AdvFace().epsilon
    expected = [None, default, default, 0.1, 0.1, 1.0, 1.0, *[default] * (len(OPTIONS) + len(ROUNDS))]
    assert [s.epsilon for s in whole.values()] == expected


def test_shadow_models_are_trained_once_for_all_epsilons() -> None:
    network, faces = tiny.recognizer(), tiny.faces(12, seed=3)
    shadows: dict[tuple[type[AdvFace], str], AdvFace] = {}
    small = taught(AdvFace(0.1, shadow_steps=2), shadows, faces, network)
    kept = shadows[AdvFace, "plain"]
    large = taught(AdvFace(1.0, shadow_steps=2), shadows, faces, network)
    noise = taught(NormMatchedNoise(AdvFace(1.0, shadow_steps=2)), shadows, faces, network)
    assert shadows == {(AdvFace, "plain"): kept}
    other = taught(AdvFace(shadow="unet", shadow_steps=2), shadows, faces, network)
    assert isinstance(other, AdvFace)
    assert [type(model).__name__ for model in other.shadows_] == ["UNet"]
    x = network.features(tiny.pictures())
    alone = AdvFace(1.0, shadow_steps=2).fit(faces, network)
    torch.testing.assert_close(large(x), alone(x))
    assert float((small(x) - x).abs().max()) < float((large(x) - x).abs().max())
    torch.testing.assert_close(
        (noise(x) - x).flatten(2).norm(dim=2), (large(x) - x).flatten(2).norm(dim=2), rtol=1e-4, atol=1e-5
    )


def row(protection: str, attack: str, knows: str, metric: str, value: float, **facts: object) -> Row:
    system = f"{protection} net@5"
    role = "utility" if attack == "the authorized recognizer" else "attack"
    cell = f"{system} / {attack} / {knows}"
    settings = {"study": "advface", "quick": False, "cut": 5, "protection": protection, **facts}
    return Row(
        cell, system, role, attack, metric, value, value - 0.01, value + 0.01, 50, knows=knows, settings=settings
    )


def test_tables() -> None:
    owner, facts = "the authorized recognizer", {"epsilon": 0.3, "rounds": None}
    metrics = ("accuracy, ten folds", "accuracy, ten folds lost", "TAR@FAR=0.001", "TAR@FAR=0.001 lost")
    rows = [row("AdvFace", owner, "", m, v, **facts) for m, v in zip(metrics, (0.97, 0.004, 0.9, 0.02), strict=True)]
    rows += [row("AdvFace", "RecFace()", "NOTHING", m, v, **facts) for m, v in (("SSIM", 0.3), ("COS", 0.1))]
    rows += [row("AdvFace", "RecFace()", "SCHEME", m, v, **facts) for m, v in (("SSIM", 0.8), ("COS", 0.7))]
    rows += [row("AdvFace", "Linkage()", "SCHEME", "AUC", 0.99, **facts)]
    rows += [row("AdvFace", "MLPProbe('gender')", "SCHEME", "balanced accuracy of gender", 0.85, **facts)]
    assert study_of(rows) == "advface"
    made = {table.name: table for table in tables(rows)}
    assert list(made)[:6] == ["recognition", "pictures", "linkage", "attributes", "epsilons", "published"]

    def value(cell: object) -> float:
        found = measured(cell)
        assert found is not None
        return found.value

    (line,) = made["recognition"].rows
    assert [value(line[c]) for c in ("accuracy", "accuracy lost", "TAR@FAR=0.001 lost")] == pytest.approx([97, 0.4, 2])
    assert [(line["knows"], value(line["SSIM"])) for line in made["pictures"].rows] == [
        ("unaware", 0.3),
        ("aware", 0.8),
    ]
    (line,) = made["epsilons"].rows
    assert (value(line["unaware"]), value(line["aware"]), line["epsilon"]) == (0.3, 0.8, 0.3)
    (line,) = made["attributes"].rows
    assert (line["attribute"], value(line["balanced accuracy"])) == ("gender", pytest.approx(85))
    assert value(made["linkage"].rows[0]["AUC"]) == 0.99
