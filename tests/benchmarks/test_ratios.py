"""What `make bench` measures, compares and keeps, on work of a known length."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import ratios
from benchmarks.cases import LIMIT, RIVAL, Case
from benchmarks.ratios import BEGIN, END, Ratio, compared, main, measured, paged, table


def busy(seconds: float) -> None:
    """So much processor time, and as much sleep, which does not count."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    time.sleep(seconds)


def case(name: str = "work", ours: float = 0.01, theirs: float = 0.02, share: float = 1.0) -> Case:
    """Work of a known length."""
    return Case(name, "a rival", RIVAL, lambda: busy(ours), lambda: busy(theirs), share)


def ratio(value: float, name: str = "work") -> Ratio:
    return Ratio(name, "a rival", LIMIT, 9, value, 0.9 * value, 1.1 * value, 0.01, 0.01 * value)


def test_a_ratio_is_of_processor_seconds_and_says_what_all_would_take() -> None:
    found = measured(case(), 5)
    assert (found.name, found.kind, found.n) == ("work", RIVAL, 5)
    assert found.ratio == pytest.approx(2, rel=0.25)
    assert found.low <= found.ratio <= found.high
    assert found.ours == pytest.approx(0.01, rel=0.25), "sleep does not count"
    assert measured(case(share=0.25), 3).ratio == pytest.approx(8, rel=0.25)


def test_only_what_is_worse_twice_is_said() -> None:
    kept = {ratio(0, name).key: ratio(2.0, name) for name in ("work", "other")}
    now = [ratio(1.71), ratio(1.5, "other")]
    assert compared(now, kept, lambda key: ratio(1.9, "other")) == []
    (said,) = compared(now, kept, lambda key: ratio(1.6, "other"))
    assert said == "other / a rival: 1.50 and again 1.60, but 2.00 was kept."
    assert compared([ratio(9, "new")], {}, lambda key: ratio(0)) == []
    (absent,) = compared([ratio(2.0)], kept, lambda key: ratio(0))
    assert absent.startswith("other / a rival was kept and is not measured any more")
    assert compared([ratio(2.0)], kept, lambda key: ratio(0), whole=False) == []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ratios are kept, and a page; the only case takes half as long as its rival."""

    def known(scale: int) -> Iterator[Case]:
        yield case()

    monkeypatch.setattr(ratios, "cases", known)
    monkeypatch.setattr(ratios, "KEPT", tmp_path / "ratios.json")
    monkeypatch.setattr(ratios, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(f"before\n\n{BEGIN}\nold\n{END}\nafter\n")
    return tmp_path


def test_it_keeps_and_compares(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "3"]) == 0, "nothing is kept yet"
    assert main(["--rounds", "3", "--keep"]) == 0
    kept = json.loads((place / "ratios.json").read_text())
    assert (kept["rounds"], kept["seed"], len(kept["ratios"])) == (3, 0, 1)
    page = (place / "page.md").read_text()
    assert page == f"before\n\n{BEGIN}\n\n{table(kept)}\n\n{END}\nafter\n"
    assert "| work | a rival | rival | 3 | " in page
    assert paged(page, kept) == page
    assert main(["--rounds", "3"]) == 0
    kept["ratios"][0]["ratio"] = 4.0
    (place / "ratios.json").write_text(json.dumps(kept))
    capsys.readouterr()
    assert main(["--rounds", "3"]) == 1
    assert "WORSE: work / a rival: " in capsys.readouterr().out
    kept["machine"]["cores"] = 1000
    (place / "ratios.json").write_text(json.dumps(kept))
    assert main(["--rounds", "3"]) == 0
    assert "Kept on another machine" in capsys.readouterr().out
    assert main(["--only", "nothing"]) == 0
    with pytest.raises(SystemExit):
        main(["--keep", "--only", "work"])


def test_the_page_shows_what_is_kept() -> None:
    if not ratios.KEPT.exists():
        pytest.skip("no ratios are kept yet: make bench-keep, on a quiet machine")
    kept = json.loads(ratios.KEPT.read_text())
    page = ratios.PAGE.read_text()
    assert paged(page, kept) == page
    assert all(one.kind in (RIVAL, LIMIT) for one in ratios.read(kept).values())
