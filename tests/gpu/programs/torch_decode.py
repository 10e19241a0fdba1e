# SPDX-License-Identifier: Apache-2.0
"""A small transformer that decodes token by token, each token one launch of a CUDA graph.

usage: torch_decode.py work | loop TOKENS [profile]
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time

import torch
from torch.nn.functional import gelu, layer_norm, linear

LAYERS, WIDTH, HEADS, WORDS, CONTEXT = 4, 512, 8, 4096, 128
TOKENS = 96


class Decoder:
    """Weights, the cache of keys and values, and one step that touches no host memory."""

    def __init__(self, device: str) -> None:
        torch.manual_seed(0)

        def weight(*shape: int) -> torch.Tensor:
            return (torch.randn(*shape) / shape[-1] ** 0.5).to(device)

        self.embedding = weight(WORDS, WIDTH)
        self.layers = [
            (weight(3 * WIDTH, WIDTH), weight(WIDTH, WIDTH), weight(4 * WIDTH, WIDTH),
             weight(WIDTH, 4 * WIDTH))
            for _ in range(LAYERS)
        ]  # fmt: skip
        self.cache = torch.zeros(LAYERS, 2, HEADS, CONTEXT, WIDTH // HEADS, device=device)
        self.places = torch.arange(CONTEXT, device=device)
        self.token = torch.zeros(1, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)

    def _attend(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        query, key, value = rows.view(3, HEADS, 1, WIDTH // HEADS)
        keys, values = self.cache[layer]
        keys.index_copy_(1, self.position, key)
        values.index_copy_(1, self.position, value)
        scores = query @ keys.transpose(1, 2) / (WIDTH // HEADS) ** 0.5
        scores = scores.masked_fill(self.places > self.position, float("-inf"))
        return (scores.softmax(-1) @ values).reshape(1, WIDTH)

    def step(self) -> None:
        """The next token takes the place of the last."""
        state = self.embedding[self.token]
        for layer, (qkv, out, up, down) in enumerate(self.layers):
            rows = linear(layer_norm(state, (WIDTH,)), qkv)
            state = state + linear(self._attend(layer, rows), out)
            state = state + linear(gelu(linear(layer_norm(state, (WIDTH,)), up)), down)
        self.token.copy_(linear(state, self.embedding).argmax(-1))
        self.position.copy_((self.position + 1) % CONTEXT)


def captured(decoder: Decoder) -> torch.cuda.CUDAGraph:
    """The step as a graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            decoder.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        decoder.step()
    return graph


def work(decoder: Decoder, graph: torch.cuda.CUDAGraph) -> None:
    """Decodes, and tells the digest of the tokens."""
    tokens = []
    for _ in range(TOKENS):
        graph.replay()
        tokens.append(int(decoder.token.item()))
    digest = hashlib.sha256(json.dumps(tokens).encode()).hexdigest()[:16]
    least = {"d2h": TOKENS, "d2h_bytes": 8 * TOKENS}
    print(json.dumps({"graphs": TOKENS, "digest": digest, "at_least": least}))


def loop(graph: torch.cuda.CUDAGraph, tokens: int, profile: bool) -> None:
    """Decodes for the clock; the host waits for each token."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    manager = torch.profiler.profile(activities=activities) if profile else None
    with manager or contextlib.nullcontext():
        for _ in range(50):
            graph.replay()
        torch.cuda.synchronize()
        took = []
        for _ in range(tokens):
            start = time.perf_counter_ns()
            graph.replay()
            torch.cuda.synchronize()
            took.append(time.perf_counter_ns() - start)
    print(json.dumps({"ns_per_call": sorted(took)[len(took) // 2], "calls": tokens}))


def main() -> None:
    """Captures the step, then does what the arguments say."""
    with torch.no_grad():
        decoder = Decoder("cuda")
        graph = captured(decoder)
        if sys.argv[1] == "work":
            work(decoder, graph)
        else:
            loop(graph, int(sys.argv[2]), "profile" in sys.argv[3:])


main()
