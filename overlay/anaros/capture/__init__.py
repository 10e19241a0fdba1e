# SPDX-License-Identifier: Apache-2.0
"""The sources of records: the arena that the shim writes, and the kernel plane."""
