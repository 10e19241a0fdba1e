# SPDX-License-Identifier: Apache-2.0
"""What the native modules must say of their layout. Written by their builds: native/layout.py."""

from __future__ import annotations

NATIVE = 0x032FBDF4
LIBBPF = 0x235FF432
