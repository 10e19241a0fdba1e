# SPDX-License-Identifier: Apache-2.0
"""Pure functions from a snapshot to something that rich can draw."""
