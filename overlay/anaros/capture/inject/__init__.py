# SPDX-License-Identifier: Apache-2.0
"""Loading the shim into a process that runs already, and taking it out again."""
