# SPDX-License-Identifier: Apache-2.0
"""The program under observation: its start, its environment, its processes."""
