# SPDX-License-Identifier: Apache-2.0
"""Following processes that run already, without any code of ours in them."""
