#!/usr/bin/env bash
# Writes every kind of export from a synthetic film and has other programs check it:
# dciodvfy (Debian's dicom3tools) for rules, dcmtk for structure, and highdicom where a Python with it is named.
# Usage: check.sh PROGRAM [PYTHON]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
python=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$program" phantom hip --count 1 --seed 3 --size 203 --format dicom --out film >/dev/null
cp film/*.dcm image.dcm
cp film/masks/*-head_left.png mask1.png
cp film/masks/*-pelvis.png mask2.png
"$program" norberg --json --landmarks film/landmarks.json film/*.dcm \
  | sed -e 's/^\[//' -e 's/\]$//' >angles.json
export_as() { "$program" export image.dcm "$1" --as "$2" "${@:3}" >/dev/null; }
export_as seg.dcm segmentation --mask mask1.png --mask mask2.png --label head --label pelvis
export_as sr.dcm report --landmarks angles.json --algorithm "hips model"
export_as pr.dcm presentation --landmarks angles.json --window 2000,1500
export_as masks.json coco --mask mask1.png --mask mask2.png
export_as hips.csv csv --landmarks angles.json
export_as masks.csv csv --mask mask1.png
"$program" convert image.dcm secondary.dcm >/dev/null
"$program" deidentify image.dcm deidentified.dcm >/dev/null

# Synthetic Data (0008,001C) is younger than the newest dicom3tools of Debian: exactly this line is expected.
known='Error - </(0008,001c)> - Attribute with an even group number is not a recognized standard attribute'
wrong=0
for file in image secondary deidentified seg sr pr; do
  errors=$(dciodvfy -new "$file.dcm" 2>&1 | grep '^Error' | grep -Fxv "$known" || true)
  if [ -n "$errors" ]; then
    printf '%s: %s\n' "$file" "$errors"
    wrong=1
  fi
  dcmdump -q "$file.dcm" >/dev/null
done
if dcentvfy image.dcm secondary.dcm seg.dcm sr.dcm pr.dcm 2>&1 | grep '^Error'; then wrong=1; fi
dsrdump -q sr.dcm >report.txt
grep -q 'Norberg angle' report.txt
[ "$wrong" = 0 ]
echo 'dciodvfy, dcentvfy: no error in 6 objects; dcmtk reads them and the report'
if [ -n "$python" ]; then
  "$python" "$here/check.py" "$work"
fi
