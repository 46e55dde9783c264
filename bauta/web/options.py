"""What the page may ask for: typed choices within bounds, and nothing that names code, a path or an address."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bauta.web.files import IDENTITY

PHOTOS = 60
"""Most photos that lie in the page at once."""
TEAM = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m")
"""Whom a mask misleads unless somebody says otherwise, as in `bauta mask learn`."""

Identity = Annotated[str, Field(pattern=f"^{IDENTITY.pattern}$")]
Name = Annotated[str, Field(min_length=1, max_length=400)]
Strength = Annotated[float, Field(ge=0.01, le=1)]


class Asked(BaseModel):
    """Base: no field that is not known, and no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Chosen(Asked):
    """A photo, and which of its faces (numbers from 0, largest first); None for all."""

    photo: Identity
    faces: Annotated[list[Annotated[int, Field(ge=0, le=999)]], Field(min_length=1, max_length=300)] | None = None


class OnPhotos(Asked):
    """Base: a job on photos."""

    photos: Annotated[list[Chosen], Field(min_length=1, max_length=PHOTOS)]


class Protect(OnPhotos):
    """As `bauta protect`."""

    task: Literal["protect"]
    recognizers: Annotated[list[Name], Field(min_length=1, max_length=8)]
    steps: Annotated[int, Field(ge=1, le=1000)] = 80
    cut: Annotated[int, Field(ge=1, le=200)] | None = None
    proof: bool = True


class Learn(OnPhotos):
    """As `bauta mask learn`."""

    task: Literal["learn"]
    team: Annotated[list[Name], Field(min_length=1, max_length=8)]
    method: Literal["TransferMask", "P3Mask"] = "TransferMask"
    epochs: Annotated[int, Field(ge=1, le=200)] = 50
    epsilon: Annotated[float, Field(ge=1, le=64)] = 16
    budget: Annotated[float, Field(ge=0.001, le=0.5)] = 0.03
    strength: Strength = 1
    variants: Annotated[int, Field(ge=1, le=16)] = 1


class Apply(OnPhotos):
    """As `bauta mask apply`."""

    task: Literal["apply"]
    mask: Identity
    strength: Strength | None = None
    face: Literal["match", "largest", "all"] = "match"


class Remove(OnPhotos):
    """As `bauta mask remove`."""

    task: Literal["remove"]
    mask: Identity
    strength: Strength | None = None


Order = Protect | Learn | Apply | Remove
"""Told apart by their `task`."""
