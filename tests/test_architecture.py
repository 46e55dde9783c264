"""The order of the floors and the promises of the design, held by walking the syntax trees."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A file imports only from floors before its own; names on one line share a floor.
FLOORS = """\
errors memory
types
spec
ops
zoo
faces
recognizers estimators
generators
protections
pipeline
attacks
metrics
job
train
study
report
cli web""".splitlines()
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names.split()}

UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

# Whoever runs the whole study seeds the world, and `seeded` puts it back; all else draws from a generator it was given.
SEEDS = ("bauta.study.run", "bauta.ops.seeds")


def sources() -> dict[str, str]:
    """Module name -> source, for the whole package."""
    found = {}
    for path in sorted((ROOT / "bauta").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def imports(name: str, source: str, modules: set[str]) -> Iterator[tuple[str, bool, int]]:
    """What a module imports from bauta, as module names; whether inside a function; the line.

    Imports under TYPE_CHECKING and by name (``import_module("bauta.x")``) count too.
    """
    tree = ast.parse(source)
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.walk(node)
    }
    # a package's own dots start at the package, a module's at its parent
    package = name if any(m.startswith(f"{name}.") for m in modules) or name == "bauta" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            named = [a.name for a in node.names if not (base == "bauta" and a.name.startswith("__"))]  # __version__
            targets = [f"{base}.{n}" if f"{base}.{n}" in modules else base for n in named]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                targets = [str(node.args[0].value)]
        for target in dict.fromkeys(targets):
            if target.split(".")[0] == "bauta":
                yield target, id(node) in inside, getattr(node, "lineno", 0)


def order_violations(files: dict[str, str]) -> list[str]:
    """Imports that go up or sideways between floors; a floor's base that leans on its floor; circles within a floor."""
    found = []
    graph: dict[str, set[str]] = {name: set() for name in files}
    for name, source in files.items():
        parts = name.split(".")
        if len(parts) == 1:
            continue  # the public surface may import all
        if parts[1] not in FLOOR:
            found.append(f"{name}: {parts[1]} is on no floor")
            continue
        for target, late, line in imports(name, source, set(files)):
            theirs = target.split(".")
            where = f"{name}:{line} imports {target}"
            if len(theirs) == 1:
                found.append(f"{where}, the public surface, from below")
            elif theirs[1] not in FLOOR:
                found.append(f"{where}, which is on no floor")
            elif theirs[1] == parts[1]:
                graph[name].add(target)
                if parts[2:] == ["base"]:
                    found.append(f"{where}, but a base comes first in its package")
            elif FLOOR[theirs[1]] > FLOOR[parts[1]]:
                found.append(f"{where}, from a higher floor")
            elif FLOOR[theirs[1]] == FLOOR[parts[1]] and not (late and parts[1] == "cli"):
                found.append(f"{where}, from its own floor")
    return found + [f"circle: {' -> '.join(c)}" for c in circles(graph)]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One path round each circle that a depth-first walk meets."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> None:
        if node in path:
            found.append([*path[path.index(node) :], node])
        elif node not in done:
            for following in sorted(graph.get(node, ())):
                walk(following, [*path, node])
            done.add(node)

    for node in sorted(graph):
        walk(node, [])
    return found


def dotted(node: ast.expr) -> str:
    """``torch.hub.load`` for that expression, "" for what is no plain name."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def promise_violations(files: dict[str, str]) -> list[str]:
    """Unpickling, torchvision, global seeds, code from text, devices by force."""
    found = []
    for name, source in files.items():
        tree = ast.parse(source)
        readers = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and any(dotted(b).endswith("Unpickler") for b in node.bases)
            and any(isinstance(f, ast.FunctionDef) and f.name == "find_class" for f in node.body)
        ]
        for node in ast.walk(tree):
            where = f"{name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                for imported in (n.split(".")[0] for n in names):
                    if imported == "torchvision":
                        found.append(f"{where} imports torchvision, which a CPU build of torch cannot stand beside")
                    if imported in UNPICKLERS and not readers:
                        found.append(f"{where} imports {imported}, but defines no Unpickler with its own find_class")
            if not isinstance(node, ast.Call):
                continue
            called = dotted(node.func)
            options = {k.arg: k.value for k in node.keywords}
            only = options.get("weights_only")
            if called == "torch.load" and not (isinstance(only, ast.Constant) and only.value is True):
                found.append(f"{where} calls torch.load without weights_only=True")
            if called in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.hub.load"):
                found.append(f"{where} calls {called}, which runs what a file says")
            if "allow_pickle" in options:
                found.append(f"{where} lets numpy unpickle")
            if called in ("eval", "exec"):
                found.append(f"{where} calls {called}")
            world = ("torch.manual_seed", "np.random.seed", "numpy.random.seed", "random.seed")
            if called in world and name not in SEEDS:
                found.append(f"{where} seeds the world with {called}; draw from an explicit generator")
            if isinstance(node.func, ast.Attribute) and node.func.attr == "cuda" and not called.startswith("torch."):
                found.append(f"{where} calls .cuda(); the device follows the input")
        if name.rpartition(".")[2] in ("utils", "common", "helpers"):
            found.append(f"{name}: a name that says nothing")
    return found


def test_a_file_imports_only_from_floors_before_its_own() -> None:
    assert order_violations(sources()) == []


def test_the_promises_hold() -> None:
    assert promise_violations(sources()) == []


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "examples"])
def test_no_torchvision_beside_the_package_either(folder: str) -> None:
    files = {p.relative_to(ROOT).as_posix(): p.read_text() for p in (ROOT / folder).rglob("*.py")}
    assert [v for v in promise_violations(files) if "torchvision" in v] == []


PLANTED_ORDER = {
    "up": ("bauta.ops.dct", "from bauta.recognizers.base import Recognizer", "higher floor"),
    "up, in a function": ("bauta.types", "def f():\n    import bauta.study.run", "higher floor"),
    "up, for types only": (
        "bauta.faces.align",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bauta.pipeline import Pipeline",
        "higher floor",
    ),
    "up, by dots": ("bauta.zoo.download", "from ..faces import align", "higher floor"),
    "up, by dots from a package": ("bauta.zoo", "from ..faces import align", "higher floor"),
    "up, by name": ("bauta.spec", "import importlib\nimportlib.import_module('bauta.attacks')", "higher floor"),
    "a submodule through bauta": ("bauta.ops.dct", "from bauta import recognizers", "higher floor"),
    "the public surface": ("bauta.study.run", "from bauta import PMT", "public surface"),
    "sideways": ("bauta.web.app", "import bauta.cli", "own floor"),
    "nowhere": ("bauta.utils", "", "on no floor"),
    "a base that leans": ("bauta.attacks.base", "from bauta.attacks.purify import Purify", "base comes first"),
}


@pytest.mark.parametrize("case", PLANTED_ORDER)
def test_the_walk_finds_a_planted_import(case: str) -> None:
    name, source, says = PLANTED_ORDER[case]
    files = {
        "bauta": "", "bauta.recognizers": "", "bauta.recognizers.base": "", "bauta.faces": "", "bauta.faces.align": "",
        "bauta.zoo": "", "bauta.zoo.records": "", "bauta.attacks": "", "bauta.attacks.purify": "",
    }  # fmt: skip
    (found,) = order_violations({**files, name: source})
    assert found.startswith(name)
    assert says in found


def test_the_walk_finds_a_planted_circle_and_lets_a_chain_pass() -> None:
    chain = {"bauta.ops.a": "from bauta.ops import b", "bauta.ops.b": "from bauta.ops import c", "bauta.ops.c": ""}
    assert order_violations(chain) == []
    chain["bauta.ops.c"] = "def f():\n    from bauta.ops.a import x"
    assert order_violations(chain) == ["circle: bauta.ops.a -> bauta.ops.b -> bauta.ops.c -> bauta.ops.a"]
    assert order_violations({"bauta.ops": "from bauta.ops import a", "bauta.ops.a": "from bauta.ops import thing"}) == [
        "circle: bauta.ops -> bauta.ops.a -> bauta.ops"
    ]


def test_what_is_allowed_passes() -> None:
    files = {
        "bauta": "from bauta.web import page\nfrom bauta.cli import main",
        "bauta.cli": "def serve():\n    from bauta.web import page",
        "bauta.web": "",
        "bauta.web.page": "from bauta.study.run import run",
        "bauta.study.store": "from bauta import __version__",
        "bauta.attacks.base": "from bauta.pipeline import Pipeline",
        "bauta.attacks.purify": "from bauta.attacks.base import Attack",
        "bauta.attacks": "from bauta.attacks.purify import Purify",
    }
    assert order_violations(files) == []


PLANTED_PROMISES = {
    "import torchvision.transforms as T": "torchvision",
    "def f():\n    from torchvision import io": "torchvision",
    "torch.load(path)": "weights_only",
    "torch.load(path, weights_only=False)": "weights_only",
    "torch.load(path, weights_only=trust)": "weights_only",
    "import pickle": "no Unpickler",
    "import pickle\nclass R(pickle.Unpickler):\n    pass": "no Unpickler",
    "from joblib import load": "no Unpickler",
    "import pickle\nclass R(pickle.Unpickler):\n    def find_class(self, m, n): ...\npickle.load(f)": "pickle.load",
    "torch.hub.load('a/b', 'c')": "torch.hub.load",
    "np.load(p, allow_pickle=True)": "unpickle",
    "eval(text)": "eval",
    "torch.manual_seed(0)": "seeds the world",
    "np.random.seed(0)": "seeds the world",
    "model.cuda()": "device follows",
    "self.net.cuda()": "device follows",
}


@pytest.mark.parametrize("source", PLANTED_PROMISES)
def test_the_walk_finds_a_broken_promise(source: str) -> None:
    (found,) = promise_violations({"bauta.ops.dct": source})
    assert PLANTED_PROMISES[source] in found


def test_what_is_promised_passes() -> None:
    source = (
        "import pickle\nclass R(pickle.Unpickler):\n    def find_class(self, module, name): raise ValueError\n"
        "torch.load(p, weights_only=True)\ntorch.Generator().manual_seed(3)\ntorch.cuda.is_available()\n"
        "network.eval()\nast.literal_eval(text)"
    )
    assert promise_violations({"bauta.ops.dct": source, SEEDS[0]: "torch.manual_seed(0)"}) == []


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["bauta", "bauta.errors", "bauta.spec", "bauta.zoo", "bauta.report", "bauta.cli"])
def test_light_modules_do_not_import_torch(module: str) -> None:
    assert python(f"import sys, {module}; print('torch' in sys.modules)") == "False\n"


def test_what_few_parts_need_is_not_loaded_for_all() -> None:
    """SciPy with scikit-learn takes as long to load as PyTorch, and each command and each worker is a process."""
    packages = "bauta, bauta.job, bauta.study.presets, bauta.train, bauta.web.tasks"
    late = "'scipy', 'sklearn', 'pandas', 'matplotlib', 'kornia', 'lightning_fabric', 'ray'"
    code = f"import sys, {packages}; [getattr(bauta, n) for n in bauta.__all__]; print({{{late}}} & set(sys.modules))"
    assert python(code) == "set()\n"


def test_no_help_imports_torch() -> None:
    """`bauta --help`, and the help of every command there is."""
    printed = python(
        "import sys, typer\n"
        "from bauta.cli import app\n"
        "root = typer.main.get_command(app)\n"
        "def show(command, path):\n"
        "    root.main([*path, '--help'], prog_name='bauta', standalone_mode=False)\n"
        "    for name, below in getattr(command, 'commands', {}).items():\n"
        "        show(below, [*path, name])\n"
        "show(root, [])\n"
        "print('torch' in sys.modules)\n"
    )
    assert "Usage: bauta" in printed
    assert printed.endswith("False\n")


def test_the_repository_names_no_machine_of_ours() -> None:
    """Only .ci/run may say where this project's own mirror lies."""
    ours = re.compile("|".join(("/".join(("", "work", "")), r"\.\." + "/shared")))
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT, check=False)
    if listed.returncode:
        pytest.skip("needs the git checkout, to know which files belong to it")
    named = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if name != ".ci/run" and path.is_file():
            named += [name] if ours.search(path.read_bytes().decode("utf-8", "ignore")) else []
    assert named == []
