# SPDX-License-Identifier: Apache-2.0
"""Who and what delayed a run, by how much and on which resource, by the kernel plane's records.

`summary_of` adds up a run, `Summary.of` the records of a window, and `told` is what the report and
`anaros xray` make of it, with names. docs/report.md says what each is.
"""

from anaros.delays.derive import ABOUT, Summary, accepts_of, delays_of, summary_of, summary_within
from anaros.delays.model import CAUSES, OWNERS, Delays
from anaros.delays.told import told

__all__ = [
    "ABOUT",
    "CAUSES",
    "OWNERS",
    "Delays",
    "Summary",
    "accepts_of",
    "delays_of",
    "summary_of",
    "summary_within",
    "told",
]
