"""The engines of conditional random fields, and which of them executes what."""

from ..recurrence import Engines
from .cpu import CpuEngine
from .interface import CrfEngine
from .reference import ReferenceEngine

ENGINES: Engines[CrfEngine] = Engines(CpuEngine(), ReferenceEngine())
