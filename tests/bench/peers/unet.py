"""Times the bundled denoiser of radcanvas against the same network in PyTorch on the processor, equality first.

python3 unet.py [--program radcanvas] [--model assets/models/diffusion] [--threads 2] [--rounds 5] [--seconds 1]

Each round runs ours and then PyTorch's forward pass of 1 and 4 latents and a training step of 16 (forward, backward,
clipping, AdamW, average of weights). The medians of the rounds count; every figure of a round is a median too, of three
steps or 20 passes at least. Memory is the largest resident set
of a process that does nothing but the training step, less what the interpreter or the program holds before it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from ops import usual, values


class Denoiser(torch.nn.Module):
    """`radcanvas::network::denoiser` with its own weights by their own names."""

    def __init__(self, folder):
        super().__init__()
        card = json.load(open(f"{folder}/model.json"))["configuration"]["denoiser"]
        self.blocks, self.head, self.latent = card["blocks"], card["head"], card["latent"]
        self.embedding = card["embedding"]
        weights = load_file(f"{folder}/weights.safetensors")
        self.names = {}
        for name, value in weights.items():
            if name.startswith("denoiser.") and ".embedding." not in name:
                self.names[name.removeprefix("denoiser.")] = parameter = torch.nn.Parameter(value.float())
                self.register_parameter(name.replace(".", "_"), parameter)

    def conv(self, name, x, stride=1):
        w = self.names[f"{name}.weight"]
        return F.conv2d(x, w, self.names[f"{name}.bias"], stride=stride, padding=w.shape[2] // 2)

    def norm(self, name, x):
        return F.group_norm(x, 8, self.names[f"{name}.gamma"], self.names[f"{name}.beta"], 1e-5)

    def residual(self, name, x, condition):
        h = self.conv(f"{name}.conv1", F.silu(self.norm(f"{name}.norm1", x)))
        film = F.linear(condition, self.names[f"{name}.film.weight"], self.names[f"{name}.film.bias"])
        scale, shift = film[:, :, None, None].chunk(2, 1)
        h = self.conv(f"{name}.conv2", F.silu(self.norm(f"{name}.norm2", h) * (1 + scale) + shift))
        return (self.conv(f"{name}.shortcut", x) if f"{name}.shortcut.weight" in self.names else x) + h

    def attention(self, name, x):
        b, c, h, w = x.shape
        heads = max(c // self.head, 1)
        qkv = self.conv(f"{name}.qkv", self.norm(f"{name}.norm", x))
        q, k, v = qkv.reshape(b, 3, heads, c // heads, h * w).transpose(3, 4).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(b, c, h, w)
        return x + self.conv(f"{name}.out", y)

    def block(self, name, x, condition):
        x = self.residual(f"{name}.residual", x, condition)
        return self.attention(f"{name}.attention", x) if f"{name}.attention.qkv.weight" in self.names else x

    def forward(self, x, condition):
        x, skips = self.conv("down.first", x), []
        for level, count in enumerate(self.blocks):
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


def inputs(network, batch):
    return values((batch, 2 * network.latent + 1, 32, 32), 1), values((batch, network.embedding), 2)


def peer(folder, only, seconds):
    network, figures = Denoiser(folder), {}
    for batch in (1, 4):
        name = f"unet forward of {batch}"
        if only in name:
            with torch.inference_mode():
                x, condition = inputs(network, batch)
                y = network(x, condition)
                figures[f"{name} fingerprint"] = float((y.double() * values(tuple(y.shape), 9).double()).sum())
                figures[name] = usual(seconds, lambda: network(x, condition))
    name = "unet training step of 16"
    if only in name:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        x, condition = inputs(network, 16)
        target = values((16, network.latent, 32, 32), 3)
        taught = list(network.parameters())
        average = [parameter.detach().clone() for parameter in taught]
        optimizer = torch.optim.AdamW(taught, lr=1e-6, weight_decay=0.01)

        def loss():
            optimizer.zero_grad(set_to_none=True)
            (network(x, condition) - target).square().mean().backward()

        def step():
            loss()
            torch.nn.utils.clip_grad_norm_(taught, 1.0)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, taught, 0.001)

        loss()
        figures[f"{name} fingerprint"] = float(torch.stack([p.grad.norm() for p in taught]).norm())
        figures[name] = usual(seconds, step, 3)
        figures["added memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    figures["largest memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return figures


def ours(arguments, only, extra=()):
    command = [arguments.program, "bench", "network", "--json", "--threads", str(arguments.threads), *extra]
    command += ["--seconds", str(arguments.seconds), "--only", only, "--whole", arguments.model]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["figures"]
    return {figure["name"]: figure["value"] * (1e6 if figure["unit"] == "MB" else 1) for figure in listed}


def alone(arguments, only):
    """PyTorch's figures in a process of its own."""
    command = [sys.executable, __file__, "--child", only, "--model", arguments.model]
    command += ["--threads", str(arguments.threads), "--seconds", str(arguments.seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--model", default="assets/models/diffusion")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--library", action="store_true", help="the tensor library's kernels as a third column")
    parser.add_argument("--child")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child is not None:
        print(json.dumps(peer(arguments.model, arguments.child, arguments.seconds)))
        return
    for only in ("forward of 1", "forward of 4", "training"):
        own, other, stock = [], [], []
        for _ in range(arguments.rounds):
            own.append(ours(arguments, only))
            other.append(alone(arguments, only))
            if arguments.library:
                stock.append(ours(arguments, only, ["--library"]))
        for name in own[0]:
            theirs = [figures[name] for figures in other]
            mine = [figures[name] for figures in own]
            if name.endswith("fingerprint"):
                off = abs(mine[0] - theirs[0]) / max(abs(theirs[0]), 1.0)
                assert off < 1e-3, f"{name}: {mine[0]} here, {theirs[0]} there"
                continue
            a, b = statistics.median(mine), statistics.median(theirs)
            unit, scale = ("MB", 1e-6) if "memory" in name else ("ms", 1e3)
            title = f"{only}: {name}" if "memory" in name else name
            line = f"{title:38} {a * scale:10.1f} {unit}  torch {b * scale:10.1f} {unit}  ratio {a / b:5.2f}"
            if stock:
                c = statistics.median(figures[name] for figures in stock)
                line += f"  library {c * scale:10.1f} {unit}  ratio ours/library {a / c:5.2f}"
            print(line, flush=True)
        if only == "training":
            print(f"torch adds {statistics.median(f['added memory'] for f in other) / 1e6:.0f} MB above itself for the step")


if __name__ == "__main__":
    main()
