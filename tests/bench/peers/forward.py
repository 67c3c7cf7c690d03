"""Holds `radcanvas models forward` against the programs that the networks come from: files in, files out.

python3 forward.py --program radcanvas [--family NAME ...] [--only PART] [--heavy] [--seconds]

The cases are those of tests/fixtures/peer; `--heavy` adds the large ones. Weights are written by the peer under its own
names, all of them. Printed: the largest difference over the largest value, and with `--seconds` the times of both.
"""

import argparse
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "fixtures" / "peer"))
from make import FAMILIES, results  # noqa: E402


def shaken(case, model, inputs, expected):
    """How much the peer's own answer changes when millionths of its weights do: deep random networks tip over."""
    torch.manual_seed(1)
    worst = 0.0
    with torch.no_grad():
        for _ in range(4):
            for t in model.parameters():
                t.mul_(1 + 1e-6 * torch.randn_like(t))
            other = case["run"](model, inputs)
            for k, t in expected.items():
                worst = max(worst, float((other[k] - t).abs().max() / t.abs().max().clamp_min(1e-30)))
    return worst


def check(case, program, folder, seconds):
    model, inputs, expected = results(case)
    weights = {k: t.clone().contiguous() for k, t in model.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    save_file({k: t.contiguous() for k, t in inputs.items()}, folder / "inputs.safetensors")
    (folder / "config.json").write_text(json.dumps(case["config"]))
    arguments = [program, "models", "forward", "--json", "--force", "--arch", case["arch"]]
    for name in ("config", "weights", "inputs", "out"):
        arguments += [f"--{name}", str(folder / f"{name}.{'json' if name == 'config' else 'safetensors'}")]
    if seconds:
        arguments += ["--repeat", "5"]
    said = subprocess.run(arguments, capture_output=True, text=True)
    if said.returncode:
        return f"FAILED {said.stderr.strip()[:300]}"
    found = load_file(folder / "out.safetensors")
    if set(found) != set(expected):
        return f"FAILED outputs {sorted(found)}, wanted {sorted(expected)}"
    worst = 0.0
    for name, t in expected.items():
        if found[name].shape != t.shape:
            return f"FAILED {name} {list(found[name].shape)}, wanted {list(t.shape)}"
        worst = max(worst, float((found[name] - t).abs().max() / t.abs().max().clamp_min(1e-30)))
    text = f"{'ok' if worst < 1e-4 else 'FAILED'} {worst:.1e}"
    if worst >= 1e-4 and (own := shaken(case, model, inputs, expected)) > 1e-2:
        text = f"NOT COMPARED the peer itself changes by {own:.1e} when its weights change by millionths"
    if seconds:
        times = []
        with torch.no_grad():
            for _ in range(5):
                start = time.perf_counter()
                case["run"](model, inputs)
                times.append(time.perf_counter() - start)
        ours = json.loads(said.stdout)["seconds"]
        text += f"  ours {1000 * ours:.1f} ms, peer {1000 * sorted(times)[2]:.1f} ms"
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--family", nargs="*", default=FAMILIES)
    parser.add_argument("--only", default="")
    parser.add_argument("--heavy", action="store_true")
    parser.add_argument("--seconds", action="store_true")
    options = parser.parse_args()
    failed = 0
    for family in options.family:
        module = importlib.import_module(family)
        for case in module.CASES + (module.HEAVY if options.heavy else []):
            if options.only not in case["name"]:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    text = check(case, options.program, pathlib.Path(folder), options.seconds)
                except ValueError as error:
                    # Random weights that the peer itself cannot be exact with say nothing about us.
                    text = f"NOT COMPARED {error}"
            failed += text.startswith("FAILED")
            print(f"{case['arch']:24} {case['name']:32} {text}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
