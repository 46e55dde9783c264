"""A complete recognizer in the words of the command line, and those who judge beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bauta import zoo
from bauta.errors import UsageError, check_shape
from bauta.pipeline import Pipeline, System
from bauta.protections import ALL, FeatureProtection, Protection
from bauta.recognizers import Recognizer, load
from bauta.recognizers.folding import folded
from bauta.recognizers.trainable import training_folder
from bauta.spec import load_class, parse
from bauta.study.validation import Attacked, Embed, embedding
from bauta.train.run import load_pipeline
from bauta.types import Faces, Templates


def system_of(
    name: str,
    recognizer: str | None,
    cut: int | None,
    protections: Sequence[str],
    pipeline: str | None,
    enrolled_only: bool,
    public: Faces | None,
    device: torch.device | str = "cpu",
) -> Attacked:
    """The system that is attacked: a recognizer behind protections, or a class of the user's own.

    protections: specs; what they learn, they learn from `public`. Raises `UsageError`, and what files may raise.
    """
    if (recognizer is None) == (pipeline is None):
        raise UsageError("Give either --recognizer, with its protections, or --pipeline.")
    if pipeline is not None:
        if cut is not None or protections or enrolled_only:
            raise UsageError("--pipeline brings its own cut and protections; leave those options out.")
        own = embedding(foreign(pipeline, device), device)
        return Attacked(name, own, own)
    assert recognizer is not None
    if (folder := training_folder(recognizer)) is not None:
        trained = load_pipeline(folder)
        network, inside = trained.recognizer, trained.protections
        network = network if cut is None else network.at_cut(cut)
    else:
        network, inside = folded(load(recognizer, cut=cut)), []
    added = [fitted(spec, network, public) for spec in protections]
    whole = Pipeline(network, *inside, *added).to(device)
    return Attacked.of(name, System(whole.bare() if enrolled_only else whole, whole), device)


def fitted(spec: str, network: Recognizer, public: Faces | None) -> Protection:
    """The protection that a spec describes, its class perhaps as module:Class(...), fitted. Raises `UsageError`."""
    head, bracket, rest = spec.partition("(")
    known = (load_class(head.strip()),) if ":" in head else ()
    made = parse(f"{known[0].__name__}{bracket}{rest}" if known else spec, (*ALL, *known))
    if not isinstance(made, Protection):
        raise UsageError(f"{spec} is no protection.")
    if isinstance(made, FeatureProtection) and made.changes_channels:
        raise UsageError(f"{spec} needs a server that was trained behind it: give its folder as --recognizer.")
    return made.fit(public, network)


def foreign(text: str, device: torch.device | str = "cpu") -> Embed:
    """`templates(faces)` of an object of the class at ``module:Class``, made without arguments. Raises `UsageError`."""
    made = load_class(text)()
    templates = getattr(made, "templates", None)
    if not callable(templates):
        raise UsageError(f"{text} has no method templates(faces), which gives one row (B, D) a face; write it.")
    if isinstance(made, torch.nn.Module):
        made.to(device).eval()

    def embed(faces: Faces) -> Templates:
        answer = templates(faces)
        if not isinstance(answer, torch.Tensor):
            raise UsageError(f"{text} must answer templates with a tensor (B, D), got {type(answer).__name__}.")
        check_shape(answer, f"{len(faces)} D", f"{text}.templates")
        return answer

    return embed


def validating(names: Sequence[str] | None, attacked: str | None) -> list[str]:
    """Recognizers that take no part: those named, or all that were measured and are here. Raises `UsageError`."""
    if names is not None:
        if attacked in names:
            raise UsageError(f"{attacked} is attacked and judges by itself anyway; name other --validators.")
        return list(dict.fromkeys(names))
    known = [record for record in zoo.WEIGHTS if record.threshold is not None and record.name != attacked]
    return [record.name for record in known if zoo.place(record.files[0])]


def halves(faces: Faces | None) -> tuple[Faces | None, Faces | None]:
    """What a protection learns from, and what the attacker has."""
    return (None, None) if faces is None else (faces[: len(faces) // 2], faces[len(faces) // 2 :])
