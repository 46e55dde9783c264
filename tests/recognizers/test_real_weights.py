"""Published weights and real faces: the four networks of the mirror, against their own graphs where there are any."""

from __future__ import annotations

import ast
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.recognizers import load
from bauta.recognizers.checkpoints import read_mxnet

pytestmark = pytest.mark.mirror

NETWORKS = ["mobilefacenet-casia", "mobilefacenet-relu6-ms1m", "mobilefacenet-y1-ms1m", "mobileface-v3"]
PAIRS = 12


@pytest.fixture(scope="module")
def pairs(mirror: Path) -> Tensor:
    """LFW's first pairs of one person, then of two: (2, 2 PAIRS, 3, 112, 112) in [0, 1]."""
    lines = [line.split("\t") for line in (mirror / "lfw_pairs.txt").read_text().splitlines()[1:]]
    same = [((n, a), (n, b)) for n, a, b in (line for line in lines if len(line) == 3)][:PAIRS]
    other = [((n, a), (m, b)) for n, a, m, b in (line for line in lines if len(line) == 4)][:PAIRS]
    with zipfile.ZipFile(mirror / "lfw_gray_112.zip") as archive:
        where = {Path(n).name: n for n in archive.namelist()}

        def face(name: str, number: str) -> Tensor:
            picture = Image.open(io.BytesIO(archive.read(where[f"{name}_{int(number):04d}.jpg"]))).convert("RGB")
            return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255

        return torch.stack([torch.stack([face(*pair[side]) for pair in same + other]) for side in (0, 1)])


@pytest.mark.parametrize("name", NETWORKS)
def test_real_weights_know_real_faces(name: str, pairs: Tensor) -> None:
    network, record = load(name), zoo.weights(name)
    with torch.no_grad():
        one, two = network.embed(pairs[0]), network.embed(pairs[1])
    assert one.shape == (2 * PAIRS, record.embedding)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(len(one)))
    cosine = (one * two).sum(1)
    assert record.threshold is not None
    right = torch.cat([cosine[:PAIRS] >= record.threshold, cosine[PAIRS:] < record.threshold])
    assert right.sum() >= 2 * PAIRS * 0.75
    assert cosine[:PAIRS].mean() > cosine[PAIRS:].mean() + 0.2


def run_graph(symbol: Path, arrays: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """What an MXNet graph computes of 0..255, node by node as MXNet's documentation defines each operator."""
    graph = json.loads(symbol.read_text())
    values: list[Tensor] = []
    for node in graph["nodes"]:
        attrs = node.get("attrs") or node.get("attr") or node.get("param") or {}
        given = [values[i[0]] for i in node["inputs"]]
        match node["op"]:
            case "null":
                values.append(pixels if node["name"] == "data" else arrays.get(node["name"], torch.empty(0)))
            case "_minus_scalar":
                values.append(given[0] - float(attrs["scalar"]))
            case "_mul_scalar":
                values.append(given[0] * float(attrs["scalar"]))
            case "Convolution":
                options = {k: ast.literal_eval(v) for k, v in attrs.items()}
                assert options["no_bias"] is True
                stride, pad = options.get("stride", (1, 1)), options.get("pad", (0, 0))
                values.append(F.conv2d(*given[:2], None, stride, pad, groups=options.get("num_group", 1)))
            case "BatchNorm":
                gamma = torch.ones_like(given[1]) if attrs.get("fix_gamma", "True") == "True" else given[1]
                eps = float(attrs.get("eps", 1e-3))
                values.append(F.batch_norm(given[0], given[3], given[4], gamma, given[2], eps=eps))
            case "LeakyReLU":
                assert attrs["act_type"] == "prelu"
                values.append(F.prelu(*given))
            case "elemwise_add":
                values.append(given[0] + given[1])
            case "Flatten":
                values.append(given[0].flatten(1))
            case "FullyConnected":
                values.append(F.linear(given[0].flatten(1), *given[1:]))
            case unknown:
                raise AssertionError(f"the graph has an operator that this test does not know: {unknown}")
    return values[graph["heads"][0][0]]


@pytest.mark.parametrize("name", NETWORKS[2:])
def test_an_mxnet_network_computes_what_its_graph_says(name: str, pairs: Tensor, mirror: Path) -> None:
    path = mirror / zoo.weights(name).files[0].name
    arrays = {k: v.double() for k, v in read_mxnet(path).items()}
    images = pairs[0, :2].double()
    with torch.no_grad():
        expected = F.normalize(run_graph(path.with_name(f"{path.stem}-symbol.json"), arrays, images * 255))
        torch.testing.assert_close(load(name).double().embed(images), expected, rtol=0, atol=1e-6)
