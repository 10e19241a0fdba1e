# SPDX-License-Identifier: Apache-2.0
"""Device memory: who held how much of it and when, and what was copied to and from it."""
