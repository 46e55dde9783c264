"""One protected system, three attackers, on a few LFW pairs: how to put systems and attacks together.

python examples/who_reads_it.py [PAIRS]
"""

import sys

from bauta import PMT, ClientHolder, ForeignRecognizer, Pipeline, Purify, System, load, load_pairs
from bauta.study.run import run

victims = load_pairs("lfw", int(sys.argv[1]) if len(sys.argv) > 1 else 60)
service = load("mobilefacenet-casia")
system = System(probe=Pipeline(service, PMT().fit(None, service)), gallery=Pipeline(service))
foreign = ForeignRecognizer("mobilefacenet-y1-ms1m")
attacks = [foreign, Purify(foreign, "blur 1.5 + stretch"), ClientHolder()]
for row in run({"PMT": system}, attacks, None, victims, seed=0):
    if row.metric in ("accuracy (Eq. 10)", "AUC", "rank-1"):
        print(f"{row.attack:75} {row.metric:18} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}] n={row.n}")
