"""Leaks on one scale, the strongest attacker and the net utility, against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.metrics import Interval, wilson
from bauta.study.found import EQ10, ITSELF, OWNER, TAR, VIEWER
from bauta.study.judge import INSIDE
from bauta.study.records import Row
from bauta.study.run import OF_PICTURES
from bauta.study.tradeoff import IDENTITY, MEAN_FACE, kind, leak, net_utility, utilities, worst_case

PMT, BARE = "PMT a@5", "bare a@5"
AGE_NOTE = "who always says the median age errs by 12.0"


def row(
    metric: str,
    value: float,
    half: float = 0.1,
    *,
    attack: str = "A()",
    system: str = PMT,
    n: int = 200,
    note: str = "",
) -> Row:
    """An attack's number, known to `half` to each side."""
    good = "high" if metric == "MAE of age" else "low"
    ends = value - half, value + half
    return Row(f"{system} / {attack}", system, "attack", attack, metric, value, *ends, n, good, note=note)


def use(metric: str, value: float, half: float = 0.05, system: str = PMT) -> Row:
    """What the authorized recognizer reaches."""
    cell = f"{system} / utility"
    return Row(cell, system, "utility", OWNER, metric, value, value - half, value + half, 300, "")


@pytest.mark.parametrize(
    ("metric", "value", "note", "expected"),
    [
        ("AUC", 0.75, "", (0.5, 0.3, 0.7)),
        ("AUC", 0.3, "", (0.0, 0.0, 0.0)),
        (f"AUC{OF_PICTURES}", 0.55, "", (0.1, 0.0, 0.3)),
        (TAR, 0.505, "", (0.5, 0.395 / 0.99, 0.595 / 0.99)),
        ("rank-1", 0.4, "among 5 people, chance 0.2000", (0.25, 0.125, 0.375)),
        ("rank-1", 0.5, "", (0.495 / 0.995, 0.395 / 0.995, 0.595 / 0.995)),
        ("balanced accuracy of race", 0.4, "chance 0.2000, majority 0.5000", (0.25, 0.125, 0.375)),
        ("AUC of gender", 1.0, "", (1.0, 0.8, 1.0)),
        ("SSIM", 0.72, "", (0.5, 0.18 / 0.56, 0.38 / 0.56)),
        ("SSIM", 0.2, "", (0.0, 0.0, 0.0)),
        ("COS", -0.05, "", (0.0, 0.0, 0.05)),
    ],
)
def test_chance_is_nothing_and_certainty_is_all(
    metric: str, value: float, note: str, expected: tuple[float, float, float]
) -> None:
    found = leak(row(metric, value, note=note))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx(expected)


def test_years_of_error_leak_the_more_the_fewer_they_are() -> None:
    found = leak(row("MAE of age", 6.0, 3.0, note=AGE_NOTE))
    assert found == Interval(0.5, 0.25, 0.75, 200)  # 12 years are chance, none is all
    assert leak(row("MAE of age", 14.0, 1.0, note=AGE_NOTE)) == Interval(0.0, 0.0, 0.0, 200)


@pytest.mark.parametrize(
    "blank",
    [
        replace(row("AUC", 0.9), role="utility"),
        row("SSIM", 0.9, attack=VIEWER),
        replace(row("failed", 0.0), value=None),
        row("CosSim of gender", 0.9),
        row("age difference", 9.0),
        row(EQ10, 0.9),
        row("PSNR", 30.0),
        row("balanced accuracy of gender", 0.9),  # chance is not known without its note
        row("MAE of age", 3.0),
    ],
)
def test_what_is_no_leak(blank: Row) -> None:
    assert leak(blank) is None
    assert worst_case([blank]) == {}


def test_a_number_that_never_varied_is_not_certain() -> None:
    """Ten of ten of one person are not all of them; of twenty pairs ten are such."""
    low = wilson(10, 10).low
    found = leak(row(TAR, 1.0, 0.0, n=20))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1.0, (low - 0.01) / 0.99, 1.0))
    ranked = leak(row("rank-1", 0.0, 0.0, n=10, note="chance 0.1"))
    assert ranked is not None
    assert ranked.high == pytest.approx((wilson(0, 10).high - 0.1) / 0.9)


MIXED = [
    row("AUC", 0.8),  # 0.6 [0.4, 0.8]
    row("rank-1", 0.3, 0.05, note="chance 0.0"),  # 0.3 [0.25, 0.35]
    row("AUC", 0.85, 0.02, attack="B()"),  # 0.7 [0.66, 0.74]
    row("AUC", 0.7, 0.25, attack="C()"),  # 0.4 [0, 0.9]
    row("SSIM", 0.58, 0.0, attack="C()"),  # 0.25
    row("SRRA", 0.97, 0.01, attack="C()"),
    row("balanced accuracy of race", 0.4, note="chance 0.2000"),
    row("AUC", 0.99, 0.005, attack="B()", system=BARE),
]


def test_the_strongest_of_each_kind() -> None:
    made = worst_case(MIXED)
    assert {system: list(kinds) for system, kinds in made.items()} == {
        PMT: ["identity", "picture", "replay", "attributes"],
        BARE: ["identity"],
    }
    worst = made[PMT]["identity"]
    assert (worst.row.attack, worst.row.metric, worst.attacks) == ("B()", "AUC", 3)
    assert (worst.leak.value, worst.leak.low, worst.leak.high) == pytest.approx((0.7, 0.66, 0.9))
    assert made[PMT]["picture"].leak.value == pytest.approx(0.25)
    assert made[PMT]["replay"].row.metric == "SRRA"
    (alone,) = worst_case(r for r in MIXED if r.metric == "rank-1").values()
    assert alone["identity"].leak.value == pytest.approx(0.3)


def test_use_is_of_the_recognizer_that_is_served_worst() -> None:
    found = utilities(
        [
            use(EQ10, 0.9, system="a@5 + b@5, read by a"),
            use(EQ10, 0.8, system="a@5 + b@5, read by b"),
            use(ITSELF, 0.2, system="a@5 + b@5, read by a"),
            use(EQ10, 0.6, system="a@5 + b@5, read by a | JPEG 75"),
            use(ITSELF, 0.9, system="faces"),
            use(EQ10, 0.4, system="useless"),
            row("AUC", 0.9),
        ]
    )
    assert {system: round(i.value, 6) for system, i in found.items()} == {
        "a@5 + b@5": 0.6,
        "a@5 + b@5 | JPEG 75": 0.2,
        "faces": 0.9,
        "useless": 0.0,
    }


def test_net_utility_is_use_less_the_worst_leak() -> None:
    made = net_utility([*MIXED, use(EQ10, 0.95), use(EQ10, 0.9, system="nobody attacks")])
    assert list(made) == [PMT]  # the bare system's use was not measured
    net = made[PMT]
    assert (net.kind, net.worst.row.attack) == ("identity", "B()")
    # use 0.9 [0.8, 1.0]; leak 0.7 [0.66, 0.9]; the replay of 0.97 is none
    assert (net.net.value, net.net.low, net.net.high, net.net.n) == pytest.approx((0.2, -0.1, 0.34, 200))


def test_the_bounds_are_over_all_kinds() -> None:
    """Attributes leak less than identity here, but may leak more."""
    made = net_utility([use(EQ10, 1.0, 0.0), row("AUC", 0.75, 0.01), row("AUC of gender", 0.7, 0.2)])
    low = 2 * wilson(300, 300).low - 1
    net = made[PMT].net
    assert made[PMT].kind == "identity"
    assert (net.value, net.low, net.high) == pytest.approx((0.5, low - 0.8, 0.52))


def test_several_are_shared_by_attacks_and_readers() -> None:
    rows = [use(EQ10, 0.9, system="a@5 + b@5, read by a"), row("AUC", 0.6, system="a@5 + b@5")]
    assert net_utility(rows)["a@5 + b@5"].net.value == pytest.approx(0.6)


METRICS = ("AUC", "rank-1", TAR, f"AUC{OF_PICTURES}", "SSIM", f"SSIM{INSIDE}", "COS", "SRRA", "AUC of gender")
unit = st.floats(0, 1)


@st.composite
def measured_rows(draw: st.DrawFn) -> list[Row]:
    made = []
    for number in range(draw(st.integers(1, 8))):
        low, value, high = sorted(draw(st.tuples(unit, unit, unit)))
        metric, system = draw(st.sampled_from(METRICS)), draw(st.sampled_from((PMT, BARE)))
        attack = draw(st.sampled_from(("A()", "B()", f"C({number})")))
        one = row(metric, value, attack=attack, system=system, n=draw(st.integers(1, 500)))
        made.append(replace(one, low=low, high=high))
    return made


@settings(max_examples=150, deadline=None)
@given(measured_rows(), st.randoms(use_true_random=False))
def test_no_attack_is_stronger_than_the_strongest_and_order_does_not_matter(rows: list[Row], random: object) -> None:
    made = worst_case(rows)
    for one in rows:
        found, worst = leak(one), made[one.system][kind(one.metric)]
        assert found is not None
        assert worst.leak.value >= found.value
        assert worst.leak.low >= found.low
        assert worst.leak.high >= found.high
        assert 0 <= worst.leak.low <= worst.leak.value <= worst.leak.high <= 1
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = worst_case(shuffled)
    for system, kinds in made.items():
        for what, worst in kinds.items():
            assert again[system][what] == worst
    uses = [use(EQ10, 0.9), use(EQ10, 0.95, system=BARE)]
    assert net_utility([*uses, *rows]) == net_utility([*shuffled, *uses])


@settings(max_examples=50, deadline=None)
@given(measured_rows(), st.floats(0.5, 1))
def test_one_more_attack_never_helps(rows: list[Row], strength: float) -> None:
    more = row("AUC", strength, 0.0, attack="another", n=50)
    before, after = (net_utility([use(EQ10, 0.9), *found]) for found in (rows, [*rows, more]))
    if PMT in before:
        assert after[PMT].net.value <= before[PMT].net.value
        assert after[PMT].net.low <= before[PMT].net.low
        assert after[PMT].net.high <= before[PMT].net.high
    assert IDENTITY in worst_case([more])[PMT]


@pytest.mark.mirror
def test_the_mean_face_reaches_what_is_written(mirror: object) -> None:
    """The baseline of SSIM, from the data again."""
    from bauta.faces import load_dataset, split_by_identity
    from bauta.metrics import SSIM

    public, others = split_by_identity(load_dataset("lfw", limit=1500), (0.7, 0.3), 0)
    mean, truth = public.images[:600].mean(0, keepdim=True), others.images[:200]
    drawn = mean.expand_as(truth)
    assert float(SSIM(drawn, truth).mean()) == pytest.approx(MEAN_FACE["SSIM"], abs=0.02)
    seen = slice(8, 104)
    inside = float(SSIM(drawn[..., seen], truth[..., seen]).mean())
    assert inside == pytest.approx(MEAN_FACE[f"SSIM{INSIDE}"], abs=0.02)
