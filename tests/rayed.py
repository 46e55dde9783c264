"""Ray for tests, where it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from bauta.job.rayengine import Ray


@contextmanager
def started(test: str) -> Iterator[Ray]:
    """Two actors of one processor, and this process on as many threads.

    A machine that is too busy to start Ray in its own time limits skips. test: the module whose classes actors are
    sent, since they know it by no name; what lies beside this file they import.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    known = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), known]))
    module = pytest.importorskip("ray", reason="needs Ray: pip install 'bauta[scale]'")
    pytest.importorskip("ray.data", reason="needs Ray Data: pip install 'bauta[scale]'")
    try:
        small = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        module.init("local", log_to_driver=False, **small)
    except Exception as error:  # Ray raises that itself
        module.shutdown()
        os.environ["PYTHONPATH"] = known
        pytest.skip(f"Ray does not start on this machine: {' '.join(str(error).split())[:200]}")
    module.cloudpickle.register_pickle_by_value(sys.modules[test])
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as an actor of one processor has
    try:
        yield Ray(workers=2)
    finally:
        torch.set_num_threads(before)
        module.shutdown()
        os.environ["PYTHONPATH"] = known
