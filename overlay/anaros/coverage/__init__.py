# SPDX-License-Identifier: Apache-2.0
"""How much of what happened was seen: the same quantity from independent witnesses.

The shim records what a program asked for through its wrappers; the kernel counts what was done,
whoever asked and however. `reckon` puts both side by side, second by second and process by
process. docs/coverage.md says what each quantity is and what the difference is made of.
"""

from anaros.coverage.cost import Cost, cost_of, cost_of_records
from anaros.coverage.derive import attachment, ledger_of
from anaros.coverage.ledger import ABOUT, Ledger, reckon
from anaros.coverage.model import QUANTITIES, Programs, Quantity, Rows, Total
from anaros.coverage.told import filled, filled_of, partly_seen, shares_of, totals_of

__all__ = [
    "ABOUT",
    "QUANTITIES",
    "Cost",
    "Ledger",
    "Programs",
    "Quantity",
    "Rows",
    "Total",
    "attachment",
    "cost_of",
    "cost_of_records",
    "filled",
    "filled_of",
    "ledger_of",
    "partly_seen",
    "reckon",
    "shares_of",
    "totals_of",
]
