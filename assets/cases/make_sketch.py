"""Makes a bundled hip case from a drawn phantom: `python make_sketch.py PHANTOM_FOLDER NAME OUT`.

The recorded sketch repeats the phantom's own outlines, a person's speed, with the patient's left femur moved
outward and up: the drawn hip is subluxated, and the answer's Norberg angle falls.
PHANTOM_FOLDER is what `radcanvas phantom hip --size 512 --out PHANTOM_FOLDER` wrote.
"""

import json
import math
import shutil
import sys
from pathlib import Path

SPEED = 420.0  # pixels a second
PAUSE = 0.35  # seconds between strokes
MOVED = (16.0, -9.0)  # pixels the left femur is moved: outward and up

ORDER = [
    "spine",
    "right pelvis",
    "left pelvis",
    "right obturator foramen",
    "left obturator foramen",
    "right femoral head",
    "right shaft lateral",
    "right shaft medial",
    "left femoral head",
    "left shaft lateral",
    "left shaft medial",
]


def resampled(points, step=6.0):
    """Points at equal distances along a polyline."""
    out = [points[0]]
    left = step
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        length = math.hypot(x1 - x0, y1 - y0)
        at = left
        while at <= length:
            share = at / length
            out.append((x0 + share * (x1 - x0), y0 + share * (y1 - y0)))
            at += step
        left = at - length
    return out


def main(folder, name, out):
    folder, out = Path(folder), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / name, out / "image.png")
    landmarks = json.loads((folder / "landmarks.json").read_text())[name]
    (out / "landmarks.json").write_text(json.dumps(landmarks, indent=1) + "\n")
    outlines = {o["name"]: o for o in json.loads((folder / "outlines.json").read_text())[name]}
    strokes, t = [], 1.0
    for wanted in ORDER:
        outline = outlines.get(wanted)
        if outline is None:
            continue
        points = [tuple(p) for p in outline["points"]]
        if outline["closed"]:
            points.append(points[0])
        if wanted.startswith("left femoral") or wanted.startswith("left shaft"):
            points = [(x + MOVED[0], y + MOVED[1]) for x, y in points]
        samples, last = [], None
        for x, y in resampled(points):
            if not (0 <= x < 512 and 0 <= y < 512):
                continue
            if last is not None:
                t += math.hypot(x - last[0], y - last[1]) / SPEED
            last = (x, y)
            samples.append({"t": round(t, 3), "x": round(x, 1), "y": round(y, 1)})
        if len(samples) > 1:
            strokes.append({"layer": "sketch", "width": 3.0, "points": samples})
        t += PAUSE
    (out / "sketch.json").write_text(json.dumps({"strokes": strokes}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
