# SPDX-License-Identifier: Apache-2.0
"""Does what a policy decided: one module for each sort of rule.

Each says what stands in its way before it changes anything, and takes everything back.
"""
