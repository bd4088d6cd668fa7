"""Recurrent layers and pipelines, moved from torch and back. To move weights needs torch, which nothing else here does."""

from .layers import from_torch, load_torch, to_torch
from .pipelines import convert_config, convert_pipeline

__all__ = ["convert_config", "convert_pipeline", "from_torch", "load_torch", "to_torch"]
