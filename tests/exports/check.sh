#!/usr/bin/env bash
# Writes every kind of export from a synthetic film and has other programs check it:
# dciodvfy (Debian's dicom3tools) for rules, dcmtk for structure, highdicom and pydicom for values.
# Usage: check.sh PROGRAM [PYTHON], where PYTHON has highdicom, pydicom and pillow; without it the values are not checked.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
python=${2:-}
# A link to an interpreter in an environment must stay one.
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
[ -z "$python" ] || "$python" -c 'import highdicom, pydicom, PIL'
fixtures=$here/../fixtures/dicom
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
# Every kind of figure, in a report, in a table, and with the hips over a view that is turned, mirrored and inverted.
cat >figures.json <<'END'
[{"kind": "length", "points": [[10.5, 20.25], [110, 90]]},
 {"kind": "angle", "points": [[20, 30], [60.5, 100], [140, 80]]},
 {"kind": "cobb", "points": [[20, 40], [120, 55], [25, 150], [130, 120]]},
 {"kind": "circle", "points": [[60, 60], [100, 62.5], [80, 95]]},
 {"kind": "rectangle", "points": [[30, 30], [70, 80]]},
 {"kind": "ellipse", "points": [[50, 60], [120, 140]]},
 {"kind": "freehand", "points": [[40, 40], [150, 60], [120, 160], [55, 130]]}]
END
export_as figures.dcm report --figures figures.json
export_as both.dcm report --landmarks angles.json --algorithm "hips model" --figures figures.json
export_as figures.csv csv --figures figures.json
export_as view.dcm presentation --landmarks angles.json --figures figures.json --window 2000,1500 \
  --invert --turns 1 --flip --area 20,30,120,100
# Captures of what is easily lost: colors, both tables, a calibration, a sign and its bits.
for name in rgb luts spacing_fiducial signed_12; do
  "$program" convert "$fixtures/$name.dcm" "capture_$name.dcm" >/dev/null
done
export_luts() { "$program" export "$fixtures/luts.dcm" "$1" --as presentation >/dev/null; }
export_luts curve.dcm
"$program" deidentify image.dcm blank.dcm --blank mask1.png >/dev/null

# Synthetic Data (0008,001C) is younger than the newest dicom3tools of Debian: exactly this line is expected.
known='Error - </(0008,001c)> - Attribute with an even group number is not a recognized standard attribute'
# The table of a fixture ends at 400 and does not fill the 16 bits that the standard wants: its own line, in the source too.
small='Error - </ModalityLUTSequence(0028,3000)[1]/LUTData(0028,3006)> - LookupTableData bad - Modality LUT - LUT Descriptor number of bits = 16 but maximum LUT Data value is 0x190'
wrong=0
objects="image secondary deidentified blank seg sr figures both pr view curve
  capture_rgb capture_luts capture_spacing_fiducial capture_signed_12"
for file in $objects; do
  errors=$(dciodvfy -new "$file.dcm" 2>&1 | grep '^Error' | grep -Fxv -e "$known" -e "$small" || true)
  if [ -n "$errors" ]; then
    printf '%s: %s\n' "$file" "$errors"
    wrong=1
  fi
  dcmdump -q "$file.dcm" >/dev/null
done
if dcentvfy image.dcm secondary.dcm seg.dcm sr.dcm figures.dcm both.dcm pr.dcm view.dcm 2>&1 | grep '^Error'; then wrong=1; fi
dsrdump -q sr.dcm >report.txt
grep -q 'Norberg angle' report.txt
dsrdump -q both.dcm >both.txt
for word in 'Norberg angle' Length Angle 'Cobb angle' Radius Area Mean 'Standard Deviation'; do
  grep -q "$word" both.txt
done
[ "$wrong" = 0 ]
echo "dciodvfy, dcentvfy: no error in $(wc -w <<<"$objects") objects; dcmtk reads them and the reports"
[ -z "$python" ] || "$python" "$here/check.py" "$work" "$fixtures"
