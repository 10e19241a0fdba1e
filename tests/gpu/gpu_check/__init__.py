# SPDX-License-Identifier: Apache-2.0
"""What only a GPU can show: the check behind scripts/gpu-check."""
