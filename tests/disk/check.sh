#!/usr/bin/env bash
# Every command that writes, on a disk that fills up under it and on one that may only be read: either it does its work,
# or it fails, says where and what to do, leaves every file that was there as it was, and nothing half beside it.
# Usage: tests/disk/check.sh RADCANVAS, as root: it mounts a small disk in memory. The test suite does the same with a
# limit on the size of files, which needs no rights.
set -euo pipefail
radcanvas=$(realpath "$1")
work=$(mktemp -d)
disk=$work/disk
mkdir "$disk"
mount -t tmpfs -o size=8m none "$disk"
trap 'umount "$disk"; rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work/data

# Two films of which one takes the place of the other.
for seed in 1 2; do
  "$radcanvas" phantom hip --seed "$seed" --size 256 --format dicom --out "$work/films$seed" --quiet >/dev/null
done
film() { find "$work/films$1" -maxdepth 1 -name '*.dcm' | head -1; }
points() { echo "$work/films$1/landmarks.json"; }
printf 'size = 32\nsteps = 2\nbatch = 1\nheld_out = 1\nnetwork = { encoder = [8, 8], encoder_blocks = 1, decoder = [8, 8], decoder_blocks = 1, preview = [8, 8] }\n' \
  >"$work/recipe.toml"
mask=$work/mask.png
"$radcanvas" convert "$(film 1)" "$mask" --values display --quiet >/dev/null

# The commands, each with a name; `n` says which of the films is written.
commands() {
  local n=$1 to=$2
  for ending in png tif nii nii.gz npy safetensors dcm; do
    echo "convert-$ending convert $(film "$n") $to/image.$ending --force"
  done
  echo "report export $(film "$n") $to/report.dcm --as report --landmarks $(points "$n") --force"
  echo "hips export $(film "$n") $to/hips.csv --as csv --landmarks $(points "$n") --force"
  echo "view export $(film "$n") $to/view.dcm --as presentation --force"
  echo "masks export $(film "$n") $to/masks.dcm --as segmentation --mask $mask --force"
  echo "coco export $(film "$n") $to/masks.json --as coco --mask $mask --force"
  echo "deidentify deidentify $(film "$n") $to/plain.dcm --force"
  echo "phantom phantom chest --seed $n --size 128 --out $to/phantoms --force"
  echo "generate generate sample --seed $n --steps 1 --no-refiner --out $to/made --force"
  echo "train train autoencoder --data hip --count 4 --seed $n --config $work/recipe.toml --out $to/run"
  echo "nodes nodes add node$n --host 127.0.0.1 --port 104 --title PACS --nodes $to/nodes.json --force"
}

wrong=0 written=0 refused=0
fault() { echo "WRONG: $*"; wrong=$((wrong + 1)); }

# One command: what was there, what it said, what is there.
try() {
  local name=$1 must_fail=$2 said code=0
  shift 2
  (cd "$disk" && find . -type f ! -name filler -exec sha256sum {} +) >"$work/before" || true
  said=$("$radcanvas" "$@" --quiet 2>&1 >/dev/null) || code=$?
  if [ "$code" = 0 ]; then
    written=$((written + 1))
    [ "$must_fail" = no ] || fault "$name did not fail"
  else
    refused=$((refused + 1))
    [ "$code" -lt 100 ] || fault "$name ended with $code: $said"
    grep -q "$disk" <<<"$said" || fault "$name does not say where: $said"
    grep -Eq 'room|free space|rights|choose a folder|another folder|give another' <<<"$said" || fault "$name says no remedy: $said"
    # Folders are filled file by file: those that a command replaced before it failed are whole, and looked at below.
    case $name in
      phantom | generate | train) ;;
      *) (cd "$disk" && sha256sum --quiet -c "$work/before") >/dev/null 2>&1 || fault "$name changed a file that was there" ;;
    esac
  fi
  [ -z "$(find "$disk" -name '.radcanvas-*')" ] || fault "$name left something half: $(find "$disk" -name '.radcanvas-*')"
  while read -r image; do
    "$radcanvas" inspect "$image" --json >/dev/null 2>&1 || fault "$name left an image that is not whole: $image"
  done < <(find "$disk" -type f \( -name '*.png' -o -name '*.tif' -o -name '*.nii*' \) -newer "$work/before")
}

run_all() {
  local n=$1 must_fail=$2
  while read -r name arguments; do
    # shellcheck disable=SC2086
    try "$name" "$must_fail" $arguments
  done < <(commands "$n" "$disk")
}

echo "with room:"; run_all 1 no
echo "  $written written, $refused refused"
[ "$refused" = 0 ] || fault "a command failed with room"
for free in 256 64 16 4 0; do
  written=0 refused=0
  rm -f "$disk/filler"
  left=$(($(df --output=avail -k "$disk" | tail -1) - free))
  head -c "$((left > 0 ? left * 1024 : 0))" /dev/zero >"$disk/filler"
  run_all 2 no
  echo "with $free KiB left: $written written, $refused refused"
done
[ "$refused" -gt 5 ] || fault "a full disk stopped nearly nothing"
written=0 refused=0
mount -o remount,ro "$disk"
run_all 1 yes
echo "read-only: $written written, $refused refused"
[ "$wrong" = 0 ] && echo "nothing was lost or half"
exit "$((wrong > 0))"
