# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the other scripts (bash): progress lines with the time since the start, and quiet steps.
# The caller sets TOOL (the name in front of each line) and LOGS (a directory for the steps' output).

say() { printf '%s: [%3ds] %s\n' "$TOOL" "$SECONDS" "$*"; }
die() { printf '%s: %s\n' "$TOOL" "$*" >&2; exit 1; }

# quiet NAME WORDS COMMAND...: says WORDS, runs COMMAND with its output in $LOGS/NAME.log, and on failure shows what
# matters of it: compilers' errors first, then the end.
quiet() {
  local log=$LOGS/$1.log
  say "$2"
  mkdir -p "$LOGS"
  shift 2
  "$@" >"$log" 2>&1 && return 0
  grep -E '(error:|Error|FAILED|undefined reference)' "$log" | cut -c1-300 | head -n 30 >&2 || true
  tail -n 25 "$log" >&2
  printf '%s: failed: %s (whole output: %s)\n' "$TOOL" "$*" "$log" >&2
  return 1
}

# plain_addresses PRESET: what to put before its tests. gcc 12's thread sanitizer cannot place its memory where the kernel randomises addresses by more than 28 bits.
plain_addresses() {
  local bits
  bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)
  if [ "$1" = tsan ] && [ "$bits" -gt 28 ] && setarch -R true 2>/dev/null; then echo "setarch -R"; fi
}
