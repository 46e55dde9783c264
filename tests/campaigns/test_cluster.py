"""The cluster campaign in short: a node is killed and nothing is lost; and proof that it sees what it looks for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from campaigns import cluster
from campaigns.cluster import Measured, NoClusterError, alone, folder_of, table, verdict
from campaigns.jobs import people

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured as on Linux")

PICTURES = 48
RUNS = ("local", "one-process", "two-processes", "one-node", "two-nodes", "one-killed")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with the pictures that every run is given."""
    folder_of(people(tmp_path / "people", 2, 2), tmp_path / f"given-{PICTURES}", PICTURES)
    return tmp_path


def whole(found: Measured) -> bool:
    """Whether everything is there, once."""
    return (found.pictures, found.lost, found.doubled, found.half) == (PICTURES, 0, 0, 0)


@pytest.mark.long
def test_a_killed_node_loses_and_doubles_nothing(work: Path) -> None:
    """White noise in the place of PMT: what is written and noted is the question, and not what it costs.

    A minute or two, most of it Ray's own processes. `tests/job/test_rayengine.py` kills an actor in every run.
    """
    pytest.importorskip("ray", reason="needs Ray: pip install 'bauta[scale]'")
    here = alone(work, "local", PICTURES, 0, "--cheap")
    assert whole(here)
    assert here.driver > 0
    try:
        killed = alone(work, "one-killed", PICTURES, 2, "--cheap", "--killed")
    except NoClusterError as error:
        pytest.skip(str(error))
    assert whole(killed)
    assert killed.manifest == here.manifest
    assert killed.worker > 0


def test_what_is_lost_doubled_or_half_is_seen(work: Path) -> None:
    found = cluster.run("local", work, PICTURES, 0, killed=False, cheap=True, plain=False)
    assert whole(found)
    out = work / "local"
    first, second = sorted(out.rglob("*.png"))[:2]
    first.unlink()
    second.rename(second.with_name(f".{second.name}"))
    (journal,) = (work / "journals").glob("local-*.jsonl")
    with journal.open("a") as file:
        file.write(journal.read_text().splitlines()[-1] + "\n")
    (out / "manifest.jsonl").write_text("another")
    worse = cluster.checked(replace(found), work, PICTURES)
    assert (worse.lost, worse.doubled, worse.half) == (1, 1, 1)
    assert worse.manifest != found.manifest


def measured(name: str, nodes: int, seconds: float) -> Measured:
    return Measured(name, 240, nodes, 200, seconds, seconds * max(1, nodes), 500, 500, "5756c0409891")


def test_the_verdict() -> None:
    found = [measured(name, number, 10.0) for number, name in zip((0, 1, 2, 1, 2, 2), RUNS, strict=True)]
    said, good = verdict(found)
    assert good
    assert "of two nodes against one: 50% by the wall clock, 50% by processor time" in said
    assert "Manifests are identical." in said
    assert len(table(found).splitlines()) == 2 + len(found)
    for change in ({"lost": 1}, {"doubled": 1}, {"half": 1}, {"manifest": "other"}):
        assert not verdict([*found[:-1], replace(found[-1], **change)])[1]


def test_a_machine_without_ray_is_no_failure_of_the_campaign(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(*_: object) -> Measured:
        raise NoClusterError("Ray does not start on this machine: it is late")

    monkeypatch.setattr(cluster, "run", absent)
    monkeypatch.setattr(sys, "argv", ["cluster", "--run", "one-node", "8", "1", "--work", str(tmp_path)])
    assert cluster.main() == cluster.NOT_HERE
    assert capsys.readouterr().err == "Ray does not start on this machine: it is late\n"
