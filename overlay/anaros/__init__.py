# SPDX-License-Identifier: Apache-2.0
"""Anaros, a runtime overlay for AI workloads on Linux."""

from __future__ import annotations

__version__ = "0.1.0"
