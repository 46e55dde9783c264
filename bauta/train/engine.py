"""Processes, devices and precision, by Lightning Fabric: the same loop on two cores and on several GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bauta.errors import MissingPackage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["engine", "quick_bfloat16"]


def quick_bfloat16(kind: str) -> bool:
    """Whether this kind of device multiplies bfloat16 in hardware."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind == "cpu" and bool(torch.cpu._is_amx_tile_supported())


def engine(kind: str = "cpu", *, devices: int = 1, bfloat16: bool | None = None) -> Fabric:
    """A launched Fabric: `devices` GPUs, or as many processes on the CPU, each with the whole network (DDP).

    kind: cpu, cuda or mps. bfloat16: mixed precision; where the machine has it, if None. With several devices the
    command runs again in further processes, which join here. Raises `MissingPackage`.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingPackage("Training needs Lightning Fabric: pip install 'bauta[train]'.") from error
    mixed = quick_bfloat16(kind) if bfloat16 is None else bfloat16
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision="bf16-mixed" if mixed else "32-true",
    )
    fabric.launch()
    return fabric
