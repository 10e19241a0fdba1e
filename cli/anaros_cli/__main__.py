# SPDX-License-Identifier: Apache-2.0
"""``python -m anaros_cli`` is ``anaros``."""

from __future__ import annotations

import sys

from anaros_cli.main import main

sys.exit(main())
