"""``"PMT(steps=100)"`` -> object and back, by literals only: a spec may come from a page or a file and runs no code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from bauta.errors import BautaError, UsageError

FROM_FILE = "_bauta_"
"""What the names of modules begin with that were read out of a file, and that no other process knows."""


def parse(text: str, known: Iterable[type]) -> object:
    """The object that a spec describes: ``Name``, or ``Name(arguments)`` with a class of `known`.

    Arguments are Python literals, or specs of known classes again, alone or inside lists, tuples and dictionaries::

        parse("Purify(ForeignRecognizer('mobilefacenet-casia'), filter='blur')", ALL)

    Raises `UsageError`, saying what there is.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _build(tree, {c.__name__: c for c in known})
    except BautaError:
        raise
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(f"{_short(text)} is not a spec; write one like Name(option=1, other='text').") from error


def _build(node: ast.expr, known: dict[str, type]) -> object:
    called = node.func if isinstance(node, ast.Call) else node
    if not isinstance(called, ast.Name):
        raise UsageError(
            f"A spec begins with a name, one of {', '.join(sorted(known))}; got {_short(ast.unparse(node))}."
        )
    if called.id not in known:
        raise UsageError(f"Nothing is called {_short(called.id)}; there are {', '.join(sorted(known))}.")
    made = known[called.id]
    args: list[object] = []
    keywords: dict[str, object] = {}
    if isinstance(node, ast.Call):
        args = [_value(a, known) for a in node.args]
        for keyword in node.keywords:
            if keyword.arg is None:
                raise UsageError(f"{called.id}'s options are written out; ** has no meaning in a spec.")
            keywords[keyword.arg] = _value(keyword.value, known)
    try:
        inspect.signature(made).bind(*args, **keywords)
    except TypeError as error:
        raise UsageError(f"{called.id} does not take that ({error}); it is {_usage(made)}.") from error
    try:
        return made(*args, **keywords)
    except BautaError:
        raise
    except Exception as error:  # a literal of another kind than a part expects can make it raise anything
        raise UsageError(f"{_short(ast.unparse(node))} has an option of the wrong type: {error}.") from error


def _value(node: ast.expr, known: dict[str, type]) -> object:
    if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id == "set"):
        return _build(node, known)
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(n, known) for n in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.Dict) and all(node.keys):
        return {_value(k, known): _value(v, known) for k, v in zip(node.keys, node.values, strict=True) if k}
    if isinstance(node, ast.Name) and node.id in known:
        return _build(node, known)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"A spec's values are plain numbers, texts, lists and the like, or one of {', '.join(sorted(known))}; "
            f"got {_short(ast.unparse(node))}."
        ) from error


def _usage(made: type) -> str:
    """``Name(option=default, ...)``, without the types."""
    signature = inspect.signature(made)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return f"{made.__name__}{signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def recipe(thing: object) -> str:
    """``PMT(steps=100)``: how to make `thing` again, its class with the options that differ from their defaults.

    It reads the signature of ``__init__`` and the attributes of the same names, so ``__init__`` must store what it is
    given. Parts use it as their ``__repr__``: ``__repr__ = recipe``. `parse` reads it back as long as the options are
    literals or such parts.
    """
    parameters = inspect.signature(type(thing)).parameters.values()
    stars = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    spread = bool(stars) and bool(getattr(thing, stars[0].name, ()))
    words = []
    for p in parameters:
        if not hasattr(thing, p.name):
            words.append(f"{p.name}=<not stored>")
            continue
        value = getattr(thing, p.name)
        if p.kind is p.VAR_POSITIONAL:
            words += [_written(v) for v in value]
        elif p.kind is p.VAR_KEYWORD:
            words += [f"{k}={_written(v)}" for k, v in value.items()]
        elif p.kind is p.POSITIONAL_ONLY or (p.kind is p.POSITIONAL_OR_KEYWORD and (spread or p.default is p.empty)):
            words.append(_written(value))
        elif p.default is p.empty or type(value) is not type(p.default) or value != p.default:
            words.append(f"{p.name}={_written(value)}")
    return f"{type(thing).__name__}({', '.join(words)})"


def _written(value: object) -> str:
    """`value` as a literal where it is one; sets in order, so that equal parts have equal recipes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_written(k)}: {_written(v)}' for k, v in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_written, value)))}}}" if value else "set()"
    return repr(value)


def load_class(text: str) -> type:
    """The class at ``package.module:Class`` or ``path/file.py:Class``.

    This imports and so runs what it names: for the command line alone, where the user could run it anyway, and never
    for text out of a page or a file. Raises `UsageError`.
    """
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise UsageError(f"Write a class as package.module:Class or path/file.py:Class; got {_short(text)}.")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except UsageError:
        raise
    except Exception as error:  # what a user's module raises while it is imported can be anything
        raise UsageError(f"{place} could not be imported: {type(error).__name__}: {error}.") from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = sorted(k for k, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__)
        raise UsageError(f"{place} has no class {name}; it has {', '.join(classes) or 'none'}.")
    return found


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"There is no file {path}; write path/file.py:Class.")
    name = f"{FROM_FILE}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
