"""Whole pipelines against diffusers, through the command line: more cases than the fixtures hold.

python3 pipelines.py [RADCANVAS]    (diffusers 0.42, transformers 5.23, peft 0.21)

Every scheduler with its options crossed with text, image, ControlNet and inpainting, on the tiny folder of
tests/fixtures/pipeline; prints the largest difference of the final latents over their largest value.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "pipeline"
sys.path.insert(0, str(FIXTURES))
import make  # noqa: E402

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target" / "release" / "radcanvas")
ENDING = {"final_sigmas_type": "sigma_min"}
FLOW = {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"}
KINDS = {
    "DDIMScheduler": [{"clip_sample": False}, {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True,
                                               "prediction_type": "v_prediction", "clip_sample": False}],
    "DDPMScheduler": [{"clip_sample": False}, {"clip_sample": False, "variance_type": "fixed_large"},
                      {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 3.0}],
    "EulerDiscreteScheduler": [{}, {"use_karras_sigmas": True}, {"timestep_spacing": "trailing"}],
    "EulerAncestralDiscreteScheduler": [{}, {"timestep_spacing": "leading"}],
    "DPMSolverMultistepScheduler": [{}, {"solver_order": 3}, {"solver_type": "heun"}, {"use_karras_sigmas": True},
                                    {"algorithm_type": "sde-dpmsolver++"}, {"euler_at_final": True},
                                    {"algorithm_type": "dpmsolver", **ENDING}, {"algorithm_type": "sde-dpmsolver", **ENDING},
                                    FLOW],
    "UniPCMultistepScheduler": [{}, {"solver_order": 3}, {"use_karras_sigmas": True}, {"predict_x0": False, **ENDING}, FLOW],
    "LCMScheduler": [{}],
    "PNDMScheduler": [{"skip_prk_steps": True}, {}],
}
WAYS = {
    "text": {},
    "image": {"image": True, "strength": 0.55},
    "control": {"controls": [{"model": "control", "weight": 0.9, "start": 0.1, "end": 0.8, "hint": 0}]},
    "inpaint": {"image": True, "mask": True, "strength": 0.8},
    "inpaint9": {"image": True, "mask": True, "folder": "inpaint"},
}


def ours(case, folder, work):
    for name in ("tiny", "inpaint"):
        target = work / "models" / name
        shutil.copytree(FIXTURES / "tiny", target, dirs_exist_ok=True)
        if name == "inpaint":
            shutil.copytree(FIXTURES / "inpaint", target, dirs_exist_ok=True)
        config = {"_class_name": case["scheduler"], **case["options"]}
        (target / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    save_file({"noise": make.noise(len(case["name"]), case["steps"] + 1)}, work / "noise.safetensors")
    mode = "inpaint" if case.get("mask") else "sample"
    command = [PROGRAM, "generate", mode, "--model", work / "models" / folder, "--prompt", case["prompt"],
               "--negative-prompt", case["negative"], "--guidance", case["guidance"], "--steps", case["steps"],
               "--noise", work / "noise.safetensors", "--latents", "--ring-px", 0, "--out", work / "out", "--force",
               "--device", "cpu", "--quiet", "--json"]
    for c in case.get("controls", ()):
        path = work / f"hint{c['hint']}.png"
        Image.fromarray(make.hint(c["hint"])).save(path)
        command += ["--control", f"{FIXTURES / c['model']}:{c['weight']}:{c['start']}-{c['end']}", "--control-hint", path]
    if case.get("image"):
        Image.fromarray(make.picture()).save(work / "image.png")
        command += ["--image", work / "image.png", "--strength", case.get("strength", 1.0)]
    if case.get("mask"):
        Image.fromarray(make.mask()).save(work / "mask.png")
        command += ["--mask", work / "mask.png"]
    answer = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
    return load_file(json.loads(answer)["outcomes"][0]["latents"])["latents"]


def main():
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind, all_options in KINDS.items():
            for options in all_options:
                for way, ask in WAYS.items():
                    # Runge–Kutta steps begin with noise alone.
                    if kind == "PNDMScheduler" and not options and "strength" in ask:
                        continue
                    case = {"name": f"{kind}-{way}", "scheduler": kind, "options": {**make.SD, **options},
                            "prompt": "a hip film, κάταγμα 😀", "negative": "text", "guidance": 3.0, "steps": 6, **ask}
                    wanted = make.final(case)
                    found = ours(case, case.get("folder", "tiny"), pathlib.Path(folder))
                    apart = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1))
                    worst = max(worst, apart)
                    print(f"{apart:.1e} {kind} {way} {options}", flush=True)
                    assert apart < 1e-3 and torch.isfinite(found).all()
    print(f"largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
