# SPDX-License-Identifier: Apache-2.0
"""The commands, one module each: parse, call the library, hand the result to a view."""
