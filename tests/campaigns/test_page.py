"""The page campaign in short, and proof that it sees what it looks for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bauta.web.security import COMMON, OUR_POLICY
from campaigns import page as campaign
from campaigns import soak, visitors
from campaigns.served import Answer, Bystander, Served, received
from campaigns.visitors import ANSWERED, REFUSED, Tally

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is measured as on Linux")

GOOD = {**COMMON, "content-security-policy": OUR_POLICY}


@pytest.mark.slow
def test_all_visitors_in_short(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(visitors, "SLOW", 0.0)  # how long slow clients are held is tested in tests/web
    monkeypatch.setattr(visitors, "alive", lambda _: False)
    names = [name for name in visitors.VISITS if name != "bombs"]  # half a minute
    kinds = [word for name in names for word in ("--kind", name)]
    code = campaign.main(["--scale", "0.01", "--minutes", "0", "--seed", "5", *kinds])
    head, *lines = capsys.readouterr().out.splitlines()
    assert code == 0, "\n".join(lines)
    assert head.split()[:5] == ["visitors", "tries", "refused", "answered", "failures"]
    assert [line[:16].strip() for line in lines[:-1]] == [*names, "the end"]
    assert lines[-1].endswith(" tries, 0 failures")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(500, GOOD), "500"),
        (Answer(200, GOOD), "200"),
        (Answer(403, {**GOOD, "x-content-type-options": ""}), "lacks x-content-type-options"),
        (Answer(403, COMMON), "no content security policy"),
        (Answer(403, GOOD), ""),
        (Answer(0), ""),
    ],
)
def test_what_counts_as_a_failure(answer: Answer, says: str) -> None:
    tally = Tally("x")
    tally.count(answer, REFUSED, "asked")
    assert (tally.tries, bool(tally.failures)) == (1, bool(says))
    assert says in "".join(tally.failures)
    assert Tally("x").count(Answer(200, GOOD), ANSWERED, "asked").status == 200


class Careless(Served):
    """A page that answers everybody with the same file, and never to what is long."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port, self.token = int(self.listening.getsockname()[1]), "t" * 43
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """One after the other."""
        while True:
            try:
                one, _ = self.listening.accept()
            except OSError:
                return
            with one:
                asked = one.recv(1 << 16)
                body = b"root:x:0" if b"passwd" in asked else b"{}"
                one.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    def memory(self) -> int:
        """None that is known."""
        return 0


@pytest.fixture
def careless() -> Iterator[Careless]:
    made = Careless()
    yield made
    made.listening.close()


@pytest.mark.parametrize("name", ["paths", "token guesses", "rebinding", "cross origin"])
def test_a_page_that_answers_everybody_is_seen(careless: Careless, name: str) -> None:
    tally = Tally(name)
    visitors.VISITS[name][0](careless, Random(1), 20, tally)
    assert len(tally.failures) >= 20, tally


def test_somebody_else_who_is_refused_is_seen(careless: Careless) -> None:
    other = Bystander(careless)
    careless.listening.close()
    other.start()
    time.sleep(0.6)
    other.end()
    assert other.wrong
    assert "somebody else got no /" in other.wrong[0]


def test_memory_that_grows_is_seen() -> None:
    warm, flat = [10**9] * soak.WARM, [2 * 10**9] * 30
    assert soak.growth(warm + flat) == 0
    assert soak.growth(warm) is None
    grown = soak.growth(warm + [2 * 10**9 + n * 10**7 for n in range(30)])
    assert grown is not None
    assert grown > soak.GROWTH


def test_an_answer_without_an_end_is_none() -> None:
    here, there = socket.socketpair()
    there.close()
    assert received(here, 0.0).status == 0
