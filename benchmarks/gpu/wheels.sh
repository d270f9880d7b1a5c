#!/usr/bin/env bash
# Fetches the wheels that a machine with torch, transformers and numpy lacks (Python 3.12, x86-64),
# in the pinned versions: about 44 MB in FOLDER (default .whl, which git ignores).
#
#   benchmarks/gpu/wheels.sh [FOLDER]
#
# There, without network:
#
#   python3 -m pip install --no-index --no-deps --target /tmp/site FOLDER/*.whl
#   PYTHONPATH=/tmp/site python3 benchmarks/gpu/kit.py --out results
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-.whl}
python=${PYTHON:-python3}
packages=(attrs av beautifulsoup4 cattrs cyclopts diffusers docstring_parser ftfy importlib_metadata
  lazy-loader rich-rst soupsieve wcwidth zipp)
pinned=()
for package in "${packages[@]}"; do
  # pip treats - and _ as one, constraints.txt spells either.
  line=$(grep -i -m1 "^${package//[-_]/[-_]}==" constraints.txt || true)
  pinned+=("${line:-$package}")
done
platforms=()
for tag in 2_28 2_27 2_17 2_5 2_12; do platforms+=(--platform "manylinux_${tag}_x86_64"); done
for tag in 2014 2010 1; do platforms+=(--platform "manylinux${tag}_x86_64"); done
mkdir -p "$folder"
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
  --implementation cp "${platforms[@]}" --dest "$folder" "${pinned[@]}"
bytes=$(cat "$folder"/*.whl | wc -c)
echo "$((bytes / 1000000)) MB in $folder"
[ "$bytes" -le 60000000 ] || { echo "That is more than 60 MB." >&2; exit 1; }
