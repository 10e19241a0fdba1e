# SPDX-License-Identifier: Apache-2.0
"""What this machine is and what of it can be used."""
