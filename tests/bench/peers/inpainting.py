"""The memory and time of a whole ControlNet inpainting of 512 x 512 pixels in radcanvas, beside diffusers if asked.

python3 inpainting.py [--program radcanvas] [--full] [--steps 20] [--threads 2] [--half] [--peer] [--folder FOLDER]

A folder of random weights in the layout of diffusers is written first (kept in FOLDER if one is given): a quarter of SD
1.5 (U-Net and ControlNet of block channels 160, 320, 640, 640, an autoencoder of half the width, the text encoder of SD
1.5), or with `--full` the published sizes; `--half` writes f16 files. Then half of a picture is renewed with guidance,
so that two latents are denoised at each step. Printed: seconds, the largest resident set, and how much of it is memory
of the program's own rather than pages of files that are mapped.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from PIL import Image

from stable_diffusion import UNET, VAE, widened

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures" / "pipeline"
SIDE = 512
PROMPT = "a hip film"


def write(folder, full, half):
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    sys.path.insert(0, str(FIXTURES))
    from tiny import write_tokenizer

    torch.manual_seed(0)
    size = widened if full else dict
    tokens = write_tokenizer(folder / "model" / "tokenizer")

    def save(model, name):
        with torch.no_grad():
            # Zero layers of a fresh ControlNet would hide everything before them.
            for parameter in model.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.02)
        (model.half() if half else model).save_pretrained(folder / name)

    text = CLIPTextConfig(
        vocab_size=tokens, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        max_position_embeddings=77, hidden_act="quick_gelu", bos_token_id=tokens - 2, eos_token_id=tokens - 1)
    save(CLIPTextModel(text), "model/text_encoder")
    save(AutoencoderKL(**size(VAE)), "model/vae")
    save(UNet2DConditionModel(**size(UNET)), "model/unet")
    control = {k: v for k, v in size(UNET).items() if k != "sample_size"}
    save(ControlNetModel(**control), "control")
    (folder / "model" / "scheduler").mkdir()
    index = json.loads((FIXTURES / "tiny" / "model_index.json").read_text())
    (folder / "model" / "model_index.json").write_text(json.dumps(index))
    scheduler = FIXTURES / "tiny" / "scheduler" / "scheduler_config.json"
    (folder / "model" / "scheduler" / "scheduler_config.json").write_text(scheduler.read_text())
    grey = np.add.outer(np.arange(SIDE), np.arange(SIDE)) // 4
    Image.fromarray(grey.astype(np.uint8)).save(folder / "image.png")
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2:] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    hint = np.zeros((SIDE, SIDE), np.uint8)
    hint[::16] = 255
    Image.fromarray(hint).save(folder / "hint.png")


def peer(folder, steps, threads):
    import torch
    from diffusers import ControlNetModel, StableDiffusionControlNetInpaintPipeline

    torch.set_num_threads(threads)
    control = ControlNetModel.from_pretrained(folder / "control", torch_dtype=torch.float32)
    pipeline = StableDiffusionControlNetInpaintPipeline.from_pretrained(
        folder / "model", controlnet=control, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    picture, mask, hint = (Image.open(folder / f"{name}.png").convert("RGB") for name in ("image", "mask", "hint"))
    pipeline(PROMPT, image=picture, mask_image=mask, control_image=hint, num_inference_steps=steps, strength=1.0)


def measured(command):
    """Seconds, the largest resident set and the largest part of it that is not of files, MB; Linux only."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    most = {"VmHWM": 0, "RssAnon": 0}

    def watch():
        while process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            for line in status.splitlines():
                name, _, value = line.partition(":")
                if name in most:
                    most[name] = max(most[name], int(value.split()[0]) / 1024)
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    watcher.join()
    if code:
        raise SystemExit(f"{command[0]} ended with {code}")
    return time.perf_counter() - start, most["VmHWM"], most["RssAnon"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--child", choices=("write", "peer"))
    arguments = parser.parse_args()
    if arguments.child == "write":
        write(arguments.folder, arguments.full, arguments.half)
        return
    if arguments.child == "peer":
        peer(arguments.folder, arguments.steps, arguments.threads)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or pathlib.Path(temporary)
        child = [sys.executable, __file__, "--folder", folder, "--steps", str(arguments.steps)]
        child += ["--threads", str(arguments.threads)]
        if not (folder / "hint.png").exists():
            more = [*(["--full"] if arguments.full else []), *(["--half"] if arguments.half else [])]
            subprocess.run([*map(str, child), *more, "--child", "write"], check=True)
        ours = [arguments.program, "generate", "inpaint", "--model", folder / "model", "--prompt", PROMPT]
        ours += ["--image", folder / "image.png", "--mask", folder / "mask.png", "--control", f"{folder / 'control'}:1:0-1"]
        ours += ["--control-hint", folder / "hint.png", "--steps", arguments.steps, "--device", "cpu", "--ring-px", 0]
        ours += ["--threads", arguments.threads, "--out", folder / "out", "--force", "--quiet", "--json"]
        runs = {"radcanvas": ours, **({"diffusers": [*child, "--child", "peer"]} if arguments.peer else {})}
        for name, command in runs.items():
            seconds, resident, own = measured(command)
            print(f"{name:10} {arguments.steps} steps: {seconds:7.1f} s, largest resident set {resident:6.0f} MB, "
                  f"of it the program's own at most {own:6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
