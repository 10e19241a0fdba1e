# SPDX-License-Identifier: Apache-2.0
"""The kernel plane: BPF probes, their rings, and what they need from libbpf."""
