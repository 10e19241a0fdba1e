# SPDX-License-Identifier: Apache-2.0
"""The shared memory into which the shim writes, and the drain that empties it."""
