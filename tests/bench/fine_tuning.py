"""Goes on from the bundled generator on real chest films, and compares both on films of patients that were held out.

python3 fine_tuning.py FILMS [--program radcanvas] [--out FOLDER] [--threads 2] [--start FOLDER] [--autoencoder FOLDER]

FILMS holds `data.csv` (patient_id, image_id, sex) and `png/IMAGE_ID.png`. The last patients, a tenth of the films at
least, are held out, each whole. On each of their films an ellipse in one lung is painted anew by either model (16 steps,
guidance 1.5, one seed) and compared with what had stood there. A picture of films, masks and results is written beside.
"""

import argparse
import csv
import json
import pathlib
import subprocess

import numpy as np
from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).parents[2]


def split(films):
    """Rows of films learnt from, and of the last patients."""
    with open(films / "data.csv") as file:
        rows = [row for row in csv.DictReader(file) if (films / "png" / f"{row['image_id']}.png").exists()]
    patients = sorted({row["patient_id"] for row in rows})
    held = set()
    while sum(row["patient_id"] in held for row in rows) < 0.09 * len(rows):
        held.add(patients.pop())
    return [r for r in rows if r["patient_id"] not in held], [r for r in rows if r["patient_id"] in held]


def painted(size):
    """An ellipse in the lung at the left of the picture."""
    mask = Image.new("L", size)
    w, h = size
    ImageDraw.Draw(mask).ellipse([0.2 * w, 0.32 * h, 0.38 * w, 0.6 * h], fill=255)
    return mask


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("films", type=pathlib.Path)
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("fine-tuning"))
    parser.add_argument("--threads", default="2")
    parser.add_argument("--start", default=str(ROOT / "assets/models/diffusion"))
    parser.add_argument("--autoencoder", default=str(ROOT / "assets/models/autoencoder"))
    given = parser.parse_args()
    out = given.out.resolve()
    (out / "masks").mkdir(parents=True, exist_ok=True)
    learnt, held = split(given.films)
    people = lambda rows: len({row["patient_id"] for row in rows})
    print(f"{len(learnt)} films of {people(learnt)} patients to learn from, {len(held)} of {people(held)} held out")
    with open(out / "manifest.csv", "w") as file:
        file.write("file,kind,sex\n")
        for row in learnt + held:
            path = (given.films / "png" / f"{row['image_id']}.png").resolve()
            file.write(f"{path},chest,{row['sex'].upper()}\n")
    recipe = (ROOT / "assets/recipes/fine-tune.toml").read_text()
    recipe = recipe.replace("assets/models/diffusion", given.start).replace("assets/models/autoencoder", given.autoencoder)
    recipe = "\n".join(f"held_out = {len(held)}" if line.startswith("held_out") else line for line in recipe.splitlines())
    (out / "recipe.toml").write_text(recipe)
    models = out / "models"
    run = lambda *words: subprocess.run([given.program, *map(str, words), "--threads", given.threads, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    if not (models / "own" / "model.json").exists():
        run("train", "diffusion", "--data", out / "manifest.csv", "--config", out / "recipe.toml", "--out", models / "own")
    for source in (given.start, given.autoencoder):
        link = models / pathlib.Path(source).name
        if not link.exists():
            link.symlink_to(pathlib.Path(source).resolve())
    differences, rows, changed = {"diffusion": [], "own": []}, [], 0
    for row in held:
        path = given.films / "png" / f"{row['image_id']}.png"
        film = Image.open(path).convert("L")
        mask = painted(film.size)
        mask.save(out / "masks" / path.name)
        inside = np.asarray(mask) > 0
        pictures = [film, mask]
        for model in differences:
            to = out / model / path.stem
            name = pathlib.Path(given.start).name if model == "diffusion" else model
            run("generate", "inpaint", "--image", path, "--mask", out / "masks" / path.name, "--kind", "chest", "--models", models,
                "--model", name, "--steps", 16, "--guidance", 1.5, "--seed", 5, "--out", to, "--force")
            made = Image.open(to / "0000" / "image.png").convert("L")
            record = json.loads((to / "0000" / "record.json").read_text())
            changed += record["changed_outside_ring"]
            apart = np.abs(np.asarray(made, float) - np.asarray(film, float))
            differences[model].append(apart[inside].mean())
            pictures.append(made)
        rows.append(pictures)
    for model, values in differences.items():
        print(f"{model}: mean difference inside the mask {np.mean(values):.1f} of 255 grey levels")
    closer = sum(b < a for a, b in zip(differences["diffusion"], differences["own"]))
    print(f"the fine-tuned model is the closer one on {closer} of {len(held)} films; {changed} pixels changed outside the ring")
    sheet = Image.new("L", (4 * 300, 2 * 300))
    for y, pictures in enumerate(rows[:2]):
        for x, picture in enumerate(pictures):
            sheet.paste(picture.resize((300, 300)), (300 * x, 300 * y))
    sheet.save(out / "fine-tuning.jpg", quality=88)


if __name__ == "__main__":
    main()
