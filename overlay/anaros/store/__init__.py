# SPDX-License-Identifier: Apache-2.0
"""The run directory and all that lies in it.

``rundir`` makes, finds and opens run directories and imports nothing heavy: it is on the start-up
path. ``segments`` and ``names`` write and read records and names, ``derived`` what was computed
from them, ``sql`` answers questions; these import numpy and DuckDB.
"""
