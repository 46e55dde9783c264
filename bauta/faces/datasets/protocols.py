"""Verification sets that are harder than LFW, each with its protocol as its authors (or its users) wrote it down.

* AgeDB-30: Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age database", CVPR Workshops 2017.
* CALFW: Zheng, Deng and Hu, "Cross-age LFW", arXiv 1708.08197, 2017.
* CFP: Sengupta et al., "Frontal to profile face verification in the wild", WACV 2016.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from bauta.errors import BadFile, MissingData
from bauta.faces.datasets.base import Verification
from bauta.faces.datasets.pairs import Pair, tenths
from bauta.faces.datasets.store import Store, base, by_base, find_text, pictures

__all__ = ["CALFW", "CFPFF", "CFPFP", "AgeDB30"]


class AgeDB30(Verification):
    """AgeDB as `0_MariaCallas_35_f.jpg`, or AgeDB-30's aligned pictures under other names.

    The protocol is agedb_30_pair.txt: lines `first second 1` (one person) or `... 0`, ten folds in a row. attributes:
    age in years, gender (0 male, 1 female), where the names say so.
    """

    NAME: ClassVar[re.Pattern[str]] = re.compile(r"\d+_(.+)_(\d{1,3})_([mf])\.\w+")
    LISTS: ClassVar[tuple[str, ...]] = ("agedb_30_pair.txt", "agedb_30_pairs.txt")

    @classmethod
    def fits(cls, store: Store) -> bool:
        """The protocol is there, or most pictures are called as AgeDB's."""
        names = pictures(store)
        called = sum(cls.NAME.fullmatch(base(name)) is not None for name in names)
        return find_text(store, *cls.LISTS) is not None or 2 * called > len(names)

    def person(self, name: str) -> str | None:
        """`0_MariaCallas_35_f.jpg` -> `MariaCallas`."""
        match = self.NAME.fullmatch(base(name))
        return match[1] if match else None

    def attributes(self, names: Sequence[str]) -> Mapping[str, Tensor]:
        """age and gender."""
        found = [self.NAME.fullmatch(base(name)) for name in names]
        age = [int(match[2]) if match else -1 for match in found]
        gender = [int(match[3] == "f") if match else -1 for match in found]
        return {"age": torch.tensor(age), "gender": torch.tensor(gender)} if any(found) else {}

    def protocol(self) -> list[Pair]:
        """6,000 pairs whose ages differ by 30 years."""
        text = find_text(self.store, *self.LISTS)
        if text is None:
            raise MissingData(
                f"No {self.LISTS[0]} lies beside the pictures in {self.store}; put AgeDB-30's list there."
            )
        lines = [line.split() for line in text.splitlines() if line.strip()]
        wrong = [line for line in lines if len(line) != 3 or line[2] not in ("0", "1")]
        if wrong:
            raise BadFile(f"{self.LISTS[0]} must have lines like 'a.jpg b.jpg 1', got {' '.join(wrong[0])!r}.")
        files = by_base(self.names)
        return [
            Pair(files.get(base(a), a), files.get(base(b), b), flag == "1", fold)
            for (a, b, flag), fold in zip(lines, tenths(len(lines)), strict=True)
        ]


class CALFW(Verification):
    """Cross-Age LFW: `Name_0001.jpg`, and pairs_CALFW.txt with a line a picture, two lines a pair.

    A line is `Name_0001.jpg k`: k is the fold, 1 to 10, of a genuine pair and 0 for an impostor pair. The impostor
    pairs, whose folds the file does not say, are cut into ten stretches.
    """

    LIST: ClassVar[str] = "pairs_CALFW.txt"

    @classmethod
    def fits(cls, store: Store) -> bool:
        """The protocol is there."""
        return find_text(store, cls.LIST) is not None

    def listed(self) -> list[str]:
        """The aligned copy, where the raw one lies beside it (it comes later in the alphabet)."""
        return sorted(by_base(pictures(self.store)).values())

    def person(self, name: str) -> str:
        """`Name_0001.jpg` -> `Name`."""
        return base(name).rsplit("_", 1)[0]

    def protocol(self) -> list[Pair]:
        """6,000 pairs of people at different ages."""
        text = find_text(self.store, self.LIST)
        if text is None:
            raise MissingData(f"No {self.LIST} lies beside the pictures in {self.store}; put the official one there.")
        lines = [line.split() for line in text.splitlines() if line.strip()]
        files = by_base(self.names)
        try:
            if len(lines) % 2:
                raise ValueError(f"{len(lines)} lines are no pairs")
            both = [(a, b, int(i), int(j)) for (a, i), (b, j) in zip(lines[::2], lines[1::2], strict=True)]
            if any(i != j for _, _, i, j in both):
                raise ValueError("the two lines of a pair must have one number")
        except ValueError as error:
            raise BadFile(f"{self.LIST} must have two lines 'Name_0001.jpg k' a pair ({error}).") from error
        impostors = iter(tenths(sum(i == 0 for _, _, i, _ in both)))
        return [
            Pair(files.get(a, a), files.get(b, b), i > 0, i - 1 if i > 0 else next(impostors)) for a, b, i, _ in both
        ]


class CFPFF(Verification):
    """Celebrities in Frontal-Profile, the frontal pairs: 7,000 in ten folds.

    `Data/Images/001/frontal/01.jpg`, and Protocol/ with Pair_list_F.txt (number and file), Pair_list_P.txt (profiles)
    and Split/FF/01/same.txt and diff.txt (a line `i,j` a pair).
    """

    SPLIT: ClassVar[str] = "FF"
    LISTS: ClassVar[tuple[str, str]] = ("Pair_list_F.txt", "Pair_list_F.txt")

    @classmethod
    def fits(cls, store: Store) -> bool:
        """The protocol is there."""
        return any(f"/{name}".endswith("/Protocol/Pair_list_F.txt") for name in store.names)

    def person(self, name: str) -> str:
        """`Data/Images/001/frontal/01.jpg` -> `001`."""
        return name.split("/")[-3] if name.count("/") >= 2 else name

    def protocol(self) -> list[Pair]:
        """The pairs of `SPLIT`."""
        top = next((n[: -len(self.LISTS[0])] for n in self.store.names if base(n) == self.LISTS[0]), None)
        if top is None:
            raise MissingData(f"No Protocol/{self.LISTS[0]} is in {self.store}; put CFP's folder Protocol there.")
        first, second = ({words[0]: words[1] for words in self.table(f"{top}{name}", None)} for name in self.LISTS)
        splits = sorted(
            n for n in self.store.names if re.fullmatch(rf"{re.escape(top)}Split/{self.SPLIT}/\d+/same\.txt", n)
        )
        pairs = []
        for fold, name in enumerate(splits):
            for file, same in ((name, True), (name[: -len("same.txt")] + "diff.txt", False)):
                for i, j in self.table(file, ","):
                    if i not in first or j not in second:
                        raise BadFile(
                            f"{file} names picture {i} or {j}, which is in no list of CFP; get the protocol again."
                        )
                    pairs.append(Pair(resolved(top, first[i]), resolved(top, second[j]), same, fold))
        if not pairs:
            raise MissingData(
                f"No pairs are in {top}Split/{self.SPLIT} of {self.store}; put CFP's folder Protocol there."
            )
        return pairs

    def table(self, name: str, separator: str | None) -> list[tuple[str, str]]:
        """A file of two columns. Raises `BadFile`."""
        try:
            lines = self.store.read(name).decode("utf-8-sig").splitlines()
            return [(a.strip(), b.strip()) for a, b in (line.split(separator) for line in lines if line.strip())]
        except ValueError as error:
            raise BadFile(f"{name} in {self.store} must have two columns ({error}); get the protocol again.") from error


class CFPFP(CFPFF):
    """The same set's pairs of a frontal and a profile picture."""

    SPLIT: ClassVar[str] = "FP"
    LISTS: ClassVar[tuple[str, str]] = ("Pair_list_F.txt", "Pair_list_P.txt")


def resolved(folder: str, relative: str) -> str:
    """A path in a file of `folder`, as a name of the store."""
    return posixpath.normpath(posixpath.join(folder, relative))
