"""Times the network operations of radcanvas against PyTorch on the processor, equality first.

python3 ops.py [--program radcanvas] [--threads 2] [--rounds 3] [--seconds 0.2] [--only NAME]

Each round runs ours and then PyTorch over all operations, so that a busy machine hurts both; a figure of a round is the
median of at least 20 calls, and the median of the rounds counts. Printed: milliseconds and the ratio ours / PyTorch (below 1: ours is faster), and geometric means.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as F


def values(shape, seed):
    """The numbers of `radcanvas::network::speed::values`: splitmix64 of index + 1000003 seed, in -1..1."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(seed * 1_000_003)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
    numbers = z.astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    return torch.from_numpy(numbers.reshape(shape))


def subject(name):
    """The same operation in PyTorch: its inputs and a function of them."""
    if found := re.fullmatch(r"conv(\d+) (\d+)x(\d+)x(\d+)x\d+ to (\d+) stride (\d+)", name):
        k, b, c, side, o, stride = map(int, found.groups())
        inputs = [values((b, c, side, side), 1), values((o, c, k, k), 2), values((o,), 3)]
        return inputs, lambda x, w, bias: F.conv2d(x, w, bias, stride=stride, padding=k // 2)
    if found := re.fullmatch(r"linear (\d+)x(\d+) to (\d+)", name):
        rows, inner, outputs = map(int, found.groups())
        return [values((rows, inner), 1), values((outputs, inner), 2), values((outputs,), 3)], F.linear
    if found := re.fullmatch(r"group norm silu (\d+)x(\d+)x(\d+)x\d+", name):
        b, c, side = map(int, found.groups())
        inputs = [values((b, c, side, side), 1), values((c,), 2), values((c,), 3)]
        return inputs, lambda x, g, beta: F.silu(F.group_norm(x, 8, g, beta, 1e-5))
    if found := re.fullmatch(r"attention (\d+)x(\d+)x(\d+)", name):
        heads, tokens, depth = map(int, found.groups())
        inputs = [values((1, heads, tokens, depth), seed) for seed in (1, 2, 3)]
        return inputs, F.scaled_dot_product_attention
    raise ValueError(f"no peer for {name}")


def usual(budget, call, least=20):
    call()
    times, start = [], time.perf_counter()
    while len(times) < least or time.perf_counter() - start < budget:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def peer(name, seconds):
    """The figures of `radcanvas bench network` for PyTorch."""
    inputs, run = subject(name)
    figures = {}
    with torch.no_grad():
        figures["forward"] = usual(seconds, lambda: run(*inputs))
        y = run(*inputs)
    weights = values(tuple(y.shape), 9)
    figures["fingerprint"] = float((y.double() * weights.double()).sum())
    leaves = [x.clone().requires_grad_() for x in inputs]
    y = run(*leaves)

    def backward():
        return torch.autograd.grad(y, leaves, weights, retain_graph=True)

    for index, gradient in enumerate(backward()):
        scale = values(tuple(gradient.shape), 9).double()
        figures[f"gradient {index}"] = float((gradient.double() * scale).sum())
    ones = torch.ones_like(y)
    figures["backward"] = usual(seconds, lambda: torch.autograd.grad(y, leaves, ones, retain_graph=True))
    return figures


def ours(arguments):
    command = [arguments.program, "bench", "network", "--json", "--threads", str(arguments.threads)]
    command += ["--seconds", str(arguments.seconds), "--only", arguments.only]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["figures"]
    figures = {}
    for figure in listed:
        for kind in ("forward", "backward", "fingerprint", "gradient 0", "gradient 1", "gradient 2"):
            if figure["name"].endswith(" " + kind):
                figures.setdefault(figure["name"][: -len(kind) - 1], {})[kind] = figure["value"]
    return figures


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    own, other = {}, {}
    for _ in range(arguments.rounds):
        for name, figures in ours(arguments).items():
            theirs = peer(name, arguments.seconds)
            for kind, value in figures.items():
                if kind in ("forward", "backward"):
                    own.setdefault(name, {}).setdefault(kind, []).append(value)
                    other.setdefault(name, {}).setdefault(kind, []).append(theirs[kind])
                else:
                    # Fingerprints are sums of terms of both signs: compare with the size of their terms.
                    scale = max(abs(value), abs(theirs[kind]), 1.0)
                    off = abs(value - theirs[kind]) / scale
                    assert off < 1e-3, f"{name} {kind}: {value} here, {theirs[kind]} there"
    groups = {}
    print(f"{'operation':44} {'forward ms':>11} {'torch':>9} {'ratio':>6} {'backward ms':>12} {'torch':>9} {'ratio':>6}")
    for name in own:
        line = f"{name:44}"
        for kind in ("forward", "backward"):
            mine, theirs = statistics.median(own[name][kind]), statistics.median(other[name][kind])
            width = 11 if kind == "forward" else 12
            line += f" {mine * 1e3:{width}.3f} {theirs * 1e3:9.3f} {mine / theirs:6.2f}"
            groups.setdefault((re.match(r"conv\d|[a-z ]+[a-z]", name)[0], kind), []).append(mine / theirs)
        print(line)
    for (group, kind), ratios in groups.items():
        print(f"{group} {kind}: geometric mean {mean(ratios):.2f} of {len(ratios)}")


if __name__ == "__main__":
    main()
