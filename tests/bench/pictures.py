"""Draws on phantoms of unseen seeds with the bundled models and puts the pictures side by side, to be looked at.

python3 pictures.py [--program radcanvas] [--models FOLDER] [--out FOLDER] [--seed 2000700]

Written: `sketches.jpg` (six kinds: the lines above, the image made of them below), `masses.jpg` (circles of three sizes
painted into one mammogram: before above, after below), `outpainted.jpg` (chests with a finding: the film, the part that
is kept, what was made around it).
"""

import argparse
import csv
import json
import pathlib
import subprocess

import numpy as np
from PIL import Image, ImageDraw

KINDS = ["hip", "chest", "breast", "jaw", "brain-mr", "brain-ct"]
TILE = 320


def grey(path):
    """A picture at 8 bits, whatever its depth."""
    cells = np.asarray(Image.open(path)).astype(float)
    cells = cells if cells.ndim == 2 else cells[..., 0]
    most = next(most for most in (255.0, 4095.0, 65535.0) if cells.max() <= most)
    return Image.fromarray((cells / most * 255).astype("uint8"))


class Bench:
    def __init__(self, given):
        self.given = given
        self.out = given.out.resolve()

    def run(self, *words):
        subprocess.run([self.given.program, *map(str, words), "--quiet", "--force"], check=True, stdout=subprocess.DEVNULL)

    def phantoms(self, kind, count, seed, size):
        folder = self.out / f"{kind}-{seed}-{size}-{count}"
        if not folder.exists():
            self.run("phantom", kind, "--count", count, "--seed", seed, "--size", size, "--out", folder)
        with open(folder / "manifest.csv") as file:
            return folder, list(csv.DictReader(file))

    def make(self, mode, name, *words):
        to = self.out / name
        models = ["--models", self.given.models] if self.given.models else []
        self.run("generate", mode, *models, "--out", to, *words)
        record = json.loads((to / "0000" / "record.json").read_text())
        assert record["changed_outside_ring"] in (0, None), record
        return grey(to / "0000" / "image.png")

    def findings(self, row):
        """What a film shows: who draws a mass says that it is one."""
        models = pathlib.Path(self.given.models or pathlib.Path(__file__).parents[2] / "assets/models")
        cards = [json.loads(path.read_text()) for path in sorted(models.glob("*/model.json"))]
        known = sorted({name for card in cards if card["task"] == "diffusion" for name in card["names"]["findings"]})
        return [name for name in known if row.get(name) == "1"]

    def sheet(self, name, columns):
        """Columns of pictures."""
        rows = max(len(column) for column in columns)
        sheet = Image.new("L", (TILE * len(columns), TILE * rows))
        for x, column in enumerate(columns):
            for y, picture in enumerate(column):
                picture = picture.copy()
                picture.thumbnail((TILE, TILE), Image.LANCZOS)
                sheet.paste(picture, (TILE * x + (TILE - picture.width) // 2, TILE * y + (TILE - picture.height) // 2))
        sheet.save(self.out / name, quality=90)

    def sketches(self):
        columns = []
        for kind in KINDS:
            folder, rows = self.phantoms(kind, 1, self.given.seed, 512)
            row = rows[0]
            film = Image.open(folder / row["file"])
            lines = Image.new("L", film.size)
            draw = ImageDraw.Draw(lines)
            for outline in json.loads((folder / "outlines.json").read_text())[row["file"]]:
                points = [tuple(point) for point in outline["points"]]
                draw.line(points + points[:1] if outline["closed"] else points, fill=255, width=4)
            hint = self.out / f"lines-{kind}.png"
            lines.save(hint)
            told = ["--age", row["age_years"]] if row.get("age_years") else []
            if row.get("sex") in ("F", "M"):
                told += ["--sex", row["sex"]]
            told += [word for name in self.findings(row) for word in ("--finding", name)]
            width, height = film.size
            made = self.make("sketch", f"sketch-{kind}", "--hint", hint, "--size", width, height, "--kind", kind, "--steps", 16, "--seed", 1, *told)
            columns.append([lines, made])
        self.sheet("sketches.jpg", columns)

    def masses(self):
        folder, rows = self.phantoms("breast", 12, self.given.seed, 1536)
        # In a dense breast a mass is seldom seen, on real films neither.
        free = [row for row in rows if row["view"] == "CC" and all(row[name] == "0" for name in ("mass", "dense"))]
        path = folder / free[0]["file"]
        film = grey(path)
        cells = np.asarray(film).astype(float)
        inside = cells > 0.12 * cells.max()
        ys, xs = np.nonzero(inside)
        middle = (int(np.median(xs)), int(np.median(ys)))
        columns = [[film, film]]
        for radius in (40, 80, 150):
            mask = Image.new("L", film.size)
            box = [middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius]
            ImageDraw.Draw(mask).ellipse(box, fill=255)
            mask.save(self.out / f"mass-mask-{radius}.png")
            words = ["--image", path, "--mask", self.out / f"mass-mask-{radius}.png", "--kind", "breast", "--finding", "mass"]
            made = self.make("inpaint", f"mass-{radius}", *words, "--steps", 16, "--guidance", 2, "--seed", 3)
            around = tuple(v + d for v, d in zip(box, (-1.2 * radius, -1.2 * radius, 1.2 * radius, 1.2 * radius)))
            part = lambda picture: picture.crop(tuple(int(v) for v in around)).resize((TILE, TILE))
            columns.append([part(film), part(made)])
            ring = np.hypot(*(np.indices(cells.shape)[::-1] - np.array(middle)[:, None, None])) / radius
            after = np.asarray(made).astype(float)
            print(f"mass of radius {radius}: mean {cells[ring < 0.7].mean():.0f} before, {after[ring < 0.7].mean():.0f} after, "
                  f"{cells[(ring > 1.2) & (ring < 1.8)].mean():.0f} around it, of 255")
        columns[0][1] = made
        self.sheet("masses.jpg", columns)

    def outpainted(self):
        folder, rows = self.phantoms("chest", 16, self.given.seed, 512)
        boxes = json.loads((folder / "boxes.json").read_text())
        names = {entry["id"]: entry["name"] for entry in boxes["categories"]}
        files = {entry["id"]: entry["file_name"] for entry in boxes["images"]}
        columns = []
        for box in boxes["annotations"]:
            name = names[box["category_id"]]
            if name not in ("mass", "nodule", "consolidation") or len(columns) == 3:
                continue
            path = folder / files[box["image_id"]]
            film = grey(path)
            x, y, w, h = box["bbox"]
            grow = 0.25 * max(w, h)
            mask = Image.new("L", film.size)
            ImageDraw.Draw(mask).ellipse([x - grow, y - grow, x + w + grow, y + h + grow], fill=255)
            kept = Image.composite(film, Image.new("L", film.size), mask)
            mask.save(self.out / f"kept-{len(columns)}.png")
            made = self.make("outpaint", f"outpaint-{len(columns)}", "--image", path, "--mask", self.out / f"kept-{len(columns)}.png",
                             "--kind", "chest", "--steps", 16, "--seed", 2)
            columns.append([film, kept, made])
        self.sheet("outpainted.jpg", columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--models")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("pictures"))
    parser.add_argument("--seed", type=int, default=2_000_700)
    parser.add_argument("--only", choices=["sketches", "masses", "outpainted"])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(given)
    for what in [given.only] if given.only else ["sketches", "masses", "outpainted"]:
        getattr(bench, what)()
