# SPDX-License-Identifier: Apache-2.0
"""Pipeline-over-fabric correlation: explains a run, request by request and stage by stage."""

from __future__ import annotations

from anaros.pofc.analysis import analyse
from anaros.pofc.derive import MEMORY, Tables, busy, derive, failed, infers, kernels, links, tables
from anaros.pofc.memory.model import Ending, Host, Map, Memory
from anaros.pofc.memory.summary import summarise_memory
from anaros.pofc.model import (
    PROBABILITY,
    STAGES,
    Coverage,
    Evidence,
    Launches,
    Requests,
    Spans,
    Timeline,
)
from anaros.pofc.requests import CONNECTION_KINDS
from anaros.pofc.summary import StageSummary, Summary, summarise

__all__ = [
    "CONNECTION_KINDS",
    "MEMORY",
    "PROBABILITY",
    "STAGES",
    "Coverage",
    "Ending",
    "Evidence",
    "Host",
    "Launches",
    "Map",
    "Memory",
    "Requests",
    "Spans",
    "StageSummary",
    "Summary",
    "Tables",
    "Timeline",
    "analyse",
    "busy",
    "derive",
    "failed",
    "infers",
    "kernels",
    "links",
    "summarise",
    "summarise_memory",
    "tables",
]
