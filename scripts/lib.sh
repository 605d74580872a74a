# Shared by the scripts of this folder: where things are, how to speak, how to fail.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime

say() { printf '%s\n' "== $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }

# Processors this process may use.
jobs() { nproc; }

# ensure_setup [--cpu]: runs setup unless the stamp says that this very stack is installed.
ensure_setup() { "$ROOT/scripts/setup" --quiet "$@"; }

# build PRESET [TARGET...]: configure if needed and build.
build() {
  local preset=$1
  shift
  export PATH=$VENV/bin:$PATH
  cd "$ROOT"
  if [ ! -f "build/$preset/build.ninja" ]; then cmake --preset "$preset" >&2; fi
  local targets=()
  if [ $# -gt 0 ]; then targets=(--target "$@"); fi
  cmake --build "build/$preset" -j "$(jobs)" "${targets[@]}" >&2
}
