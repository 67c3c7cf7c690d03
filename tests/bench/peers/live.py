"""Times `radcanvas bench live` against the same chains of networks in PyTorch on the processor.

python3 live.py [--program radcanvas] [--models assets/models] [--threads 2] [--rounds 3] [--repeat 12]

Each round runs ours and then PyTorch's, so that a busy machine hurts both; medians of the rounds' medians count. The
networks have the bundled weights by their own names (equal shapes, equal work; `unet.py` compares results). PyTorch's
chain is networks alone, on inputs that lie there; ours is everything from the raster of the strokes to the finished
radiograph with its hip points, and again the engine alone.
"""

import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from unet import Denoiser


class Names:
    """Layers by the names of their weights."""

    def __init__(self, file, prefix):
        weights = load_file(file)
        self.w = {k.removeprefix(prefix): v.float() for k, v in weights.items() if k.startswith(prefix)}

    def conv(self, name, x, stride=1):
        w = self.w[f"{name}.weight"]
        return F.conv2d(x, w, self.w[f"{name}.bias"], stride=stride, padding=w.shape[2] // 2)

    def norm(self, name, x):
        return F.silu(F.group_norm(x, 8, self.w[f"{name}.gamma"], self.w[f"{name}.beta"], 1e-5))

    def block(self, name, x):
        h = self.conv(f"{name}.conv1", self.norm(f"{name}.norm1", x))
        h = self.conv(f"{name}.conv2", self.norm(f"{name}.norm2", h))
        return (self.conv(f"{name}.shortcut", x) if f"{name}.shortcut.weight" in self.w else x) + h

    def chain(self, name, x):
        n = 0
        while f"{name}.{n}.conv1.weight" in self.w:
            x, n = self.block(f"{name}.{n}", x), n + 1
        return x


def encode(net, image):
    x = net.chain("encoder.fine", net.conv("encoder.first", F.pixel_unshuffle(image, 4)))
    x = net.chain("encoder.coarse", net.conv("encoder.halving", x, stride=2))
    return net.conv("encoder.last", net.norm("encoder.norm", x))


def decode(net, z):
    x = net.chain("decoder.coarse", net.conv("decoder.first", z))
    x = net.conv("decoder.narrowing", F.interpolate(x, scale_factor=2, mode="nearest"))
    return F.pixel_shuffle(net.conv("decoder.last", net.norm("decoder.norm", net.chain("decoder.fine", x))), 4)


def preview(net, z):
    x = z
    for n in range(3):
        x = F.relu(net.conv(f"preview.coarse.{n}", x))
    x = F.interpolate(x, scale_factor=2, mode="nearest")
    for n in range(3):
        x = F.relu(net.conv(f"preview.fine.{n}", x))
    return F.pixel_shuffle(net.conv("preview.last", x), 4)


def adapter(net, hint):
    x, out = hint, []
    for level in range(3):
        x = net.conv(f"entry.{level}", x, stride=1 if level == 0 else 2)
        x = net.block(f"block.{level}.1", net.block(f"block.{level}.0", x))
        out.append(net.conv(f"exit.{level}", x))
    return out


class Injected(Denoiser):
    """The denoiser with what the adapter adds at the entry of each level."""

    def forward(self, x, condition, added):
        x, skips = self.conv("down.first", x), []
        for level, count in enumerate(self.blocks):
            x = x + added[level]
            for n in range(count):
                x = self.block(f"down.level.{level}.{n}", x, condition)
                skips.append(x)
            if level < 2:
                x = self.conv(f"down.halving.{level}", x, stride=2)
        for n in range(2):
            x = self.block(f"down.middle.{n}", x, condition)
        for level in (2, 1, 0):
            for n in range(self.blocks[level]):
                x = self.block(f"up.level.{level}.{n}", x + skips.pop(), condition)
            if level:
                x = self.conv(f"up.doubling.{level - 1}", F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.conv("last", F.silu(self.norm("norm", x)))


def guided(steps):
    """Forward passes of guided steps: both halves between the times 0.1 and 0.9, one outside."""
    return sum(2 if 0.1 <= 1 - k / steps <= 0.9 else 1 for k in range(steps))


def peers(models, repeat):
    coder = Names(f"{models}/autoencoder/weights.safetensors", "")
    control = Names(f"{models}/diffusion/weights.safetensors", "adapter.")
    denoiser = Injected(f"{models}/diffusion").eval()
    hint, image = torch.rand(1, 70, 32, 32), torch.rand(1, 1, 256, 256) * 2 - 1
    condition, kept = torch.randn(1, denoiser.embedding), torch.randn(1, denoiser.latent, 32, 32)
    mask = torch.ones(1, 1, 32, 32)

    def walk(steps, forwards, decoder, inpaint):
        known = encode(coder, image) if inpaint else kept
        added = adapter(control, hint)
        z = torch.randn(1, denoiser.latent, 32, 32)
        for _ in range(forwards):
            z = z - denoiser(torch.cat([z, mask, known], 1), condition, added) / steps
        return decoder(coder, z)

    chains = {
        "sketch, 1 step, preview decoder": (1, 1, preview, False),
        "sketch, 4 steps": (4, 4, decode, False),
        "sketch, 16 guided steps": (16, guided(16), decode, False),
        "inpaint, 2 steps, preview decoder": (2, 2, preview, True),
        "inpaint, 8 steps": (8, guided(8), decode, True),
        "sketch, warm start, 2 steps, preview decoder": (2, 2, preview, False),
    }
    figures = {}
    with torch.inference_mode():
        for name, chain in chains.items():
            times = []
            for _ in range(repeat + 1):
                start = time.perf_counter()
                walk(*chain)
                times.append(time.perf_counter() - start)
            figures[name] = statistics.median(times[1:])
    return figures


def ours(arguments):
    command = [arguments.program, "bench", "live", "--json", "--threads", str(arguments.threads)]
    command += ["--repeat", str(arguments.repeat), "--models", arguments.models]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["figures"]
    return {figure["name"]: figure["value"] for figure in listed}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--models", default="assets/models")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    own, other = [], []
    for _ in range(arguments.rounds):
        own.append(ours(arguments))
        other.append(peers(arguments.models, arguments.repeat))
    middle = lambda rounds, name: statistics.median(figures[name] for figures in rounds)
    for name in other[0]:
        theirs = middle(other, name)
        whole = middle(own, f"pen up to image: {name}, median")
        engine = middle(own, f"of it the engine: {name}, median")
        print(
            f"{name:46} {whole * 1e3:8.1f} ms  engine {engine * 1e3:8.1f} ms  torch {theirs * 1e3:8.1f} ms"
            f"  ratio {whole / theirs:5.2f}  engine {engine / theirs:5.2f}",
            flush=True,
        )
    for name, unit, scale in (("cancel, longest", "ms", 1e3), ("largest memory of the program", "MB", 1)):
        if name in own[0]:
            print(f"{name:46} {max(figures[name] for figures in own) * scale:8.1f} {unit}")


if __name__ == "__main__":
    main()
