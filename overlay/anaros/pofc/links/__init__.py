# SPDX-License-Identifier: Apache-2.0
"""Lineage of bytes: which of those that were read a copy moved to a device, and what says so."""
