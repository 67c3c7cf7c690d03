"""Times the networks of Stable Diffusion in radcanvas against diffusers on the processor: one folder, equality first.

python3 stable_diffusion.py [--program radcanvas] [--parts unet guided control vae] [--threads 2] [--rounds 3] [--repeat 3]

A folder of random weights in the layout of diffusers is written once; both programs read it. A U-Net of a quarter of
SD 1.5 (block channels 160, 320, 640, 640, text of 768) computes one step of a 512 x 512 picture: `unet` for one latent,
`guided` for two; `control` is its ControlNet, `vae` encodes and decodes the picture in an autoencoder of half the width.
Each round runs ours and then the peer in processes of their own. Printed are medians over the rounds, the ratio ours /
peer, and the largest resident set of either process, for the peer also less what it holds before it loads the network.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from safetensors.torch import load_file, save_file

def widened(config):
    """The published size."""
    return {**config, "block_out_channels": tuple(2 * width for width in config["block_out_channels"])}


UNET = {"sample_size": 64, "block_out_channels": (160, 320, 640, 640), "cross_attention_dim": 768, "attention_head_dim": 8}
VAE = {
    "sample_size": 512,
    "block_out_channels": (64, 128, 256, 256),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


def unet(batch, side):
    from diffusers import UNet2DConditionModel

    inputs = {
        "sample": torch.randn(batch, 4, side, side),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(batch, 77, 768),
    }
    run = lambda model, i: {"sample": model(**i).sample}  # noqa: E731
    return "unet-2d-condition", UNet2DConditionModel, UNET, inputs, run


def control(batch, side):
    from diffusers import ControlNetModel

    _, _, _, inputs, _ = unet(batch, side)
    inputs["controlnet_cond"] = torch.rand(batch, 3, 8 * side, 8 * side)

    def run(model, i):
        downs, middle = model(**i, return_dict=False)
        return {f"down_block_res_samples.{n}": t for n, t in enumerate(downs)} | {"mid_block_res_sample": middle}

    return "controlnet", ControlNetModel, {k: v for k, v in UNET.items() if k != "sample_size"}, inputs, run


def vae(batch, side):
    from diffusers import AutoencoderKL

    def run(model, i):
        mean = model.encode(i["image"]).latent_dist.mean
        return {"latent_mean": mean, "decoded": model.decode(mean).sample}

    return "autoencoder-kl", AutoencoderKL, VAE, {"image": torch.rand(batch, 3, 8 * side, 8 * side) * 2 - 1}, run


PARTS = {"unet": (unet, 1), "guided": (unet, 2), "control": (control, 1), "vae": (vae, 1)}


def part(name, side):
    torch.manual_seed(1)
    build, batch = PARTS[name]
    return build(batch, side)


def write(name, side, folder, full):
    """The folder that both read."""
    _, kind, config, inputs, _ = part(name, side)
    if full:
        config = widened(config)
    torch.manual_seed(0)
    model = kind(**config)
    with torch.no_grad():
        # Zero layers of a fresh ControlNet would hide everything before them.
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    model.save_pretrained(folder)
    save_file(inputs, folder / "inputs.safetensors")


def peer(name, side, folder, repeat):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, kind, _, _, run = part(name, side)
    inputs = load_file(folder / "inputs.safetensors")
    before = max(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    model = kind.from_pretrained(folder).eval()
    times = []
    with torch.inference_mode():
        outputs = run(model, inputs)
        for _ in range(repeat):
            start = time.perf_counter()
            run(model, inputs)
            times.append(time.perf_counter() - start)
    if not (folder / "peer.safetensors").exists():
        save_file({k: t.contiguous() for k, t in outputs.items()}, folder / "peer.safetensors")
    print(json.dumps({"seconds": statistics.median(times), "before": before / 1024}))


def measured(command):
    """What a command says, and its largest resident set in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return json.loads(said), used.ru_maxrss / 1024


def ours(arch, arguments, folder):
    command = [arguments.program, "models", "forward", "--json", "--force", "--device", "cpu"]
    command += ["--threads", str(arguments.threads), "--repeat", str(arguments.repeat), "--arch", arch]
    command += ["--config", str(folder / "config.json")]
    command += ["--weights", str(folder / "diffusion_pytorch_model.safetensors")]
    command += ["--inputs", str(folder / "inputs.safetensors"), "--out", str(folder / "ours.safetensors")]
    return measured(command)


def check(folder):
    ours, peer = load_file(folder / "ours.safetensors"), load_file(folder / "peer.safetensors")
    assert set(ours) == set(peer), (sorted(ours), sorted(peer))
    worst = max(float((ours[k] - t).abs().max() / t.abs().max()) for k, t in peer.items())
    assert worst < 1e-4, f"results differ by {worst:.1e}"
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--side", type=int, default=64, help="of the latent")
    parser.add_argument("--full", action="store_true", help="the published widths, ours alone: what memory it takes")
    parser.add_argument("--child", choices=("write", "peer"))
    parser.add_argument("--folder", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        (name,) = arguments.parts
        if arguments.child == "write":
            write(name, arguments.side, arguments.folder, arguments.full)
        else:
            peer(name, arguments.side, arguments.folder, arguments.repeat)
        return
    for name in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            child = [sys.executable, __file__, "--parts", name, "--folder", str(folder)]
            child += ["--side", str(arguments.side), "--threads", str(arguments.threads)]
            child += ["--repeat", str(arguments.repeat), *(["--full"] if arguments.full else []), "--child"]
            # A process of its own: the largest memory of a process is also that of those it starts.
            subprocess.run([*child, "write"], check=True)
            if arguments.full:
                said, memory = ours(part(name, arguments.side)[0], arguments, folder)
                print(f"{name:8} {said['seconds']:7.3f} s, memory {memory:5.0f} MB", flush=True)
                continue
            own, other = [], []
            for _ in range(arguments.rounds):
                own.append(ours(part(name, arguments.side)[0], arguments, folder))
                other.append(measured([*child, "peer"]))
            worst = check(folder)
        a, b = (statistics.median(said["seconds"] for said, _ in runs) for runs in (own, other))
        m, n = (statistics.median(memory for _, memory in runs) for runs in (own, other))
        before = statistics.median(said["before"] for said, _ in other)
        print(f"{name:8} equal to {worst:.0e}; {a:7.3f} s, diffusers {b:7.3f} s, ratio {a / b:.2f}; "
              f"memory {m:5.0f} MB, diffusers {n:5.0f} MB, ratio {m / n:.2f}, less its start {n - before:5.0f} MB", flush=True)


if __name__ == "__main__":
    main()
