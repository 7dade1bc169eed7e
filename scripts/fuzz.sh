#!/bin/sh
# Runs every fuzz target for so many seconds.
#
#   scripts/fuzz.sh <seconds> [target...]
#
# Needs nightly Rust; installs cargo-fuzz into build/tools when it is not there. What a target finds is kept in
# fuzz/artifacts, what it learned in fuzz/corpus; neither is committed. A finding becomes a named test.
set -eu

seconds=${1:?usage: scripts/fuzz.sh seconds [target...]}
shift
cd "$(dirname "$0")/.."
tools=$PWD/build/tools
PATH="$tools/bin:$PATH"
if ! cargo +nightly --version >/dev/null 2>&1; then
	echo "fuzz: nightly Rust is needed: rustup toolchain install nightly" >&2
	exit 1
fi
command -v cargo-fuzz >/dev/null 2>&1 || cargo install -q cargo-fuzz --locked --root "$tools"

targets=${*:-$(cargo fuzz list)}
failed=
for target in $targets; do
	echo "fuzz: $target, $seconds s" >&2
	mkdir -p "fuzz/corpus/$target"
	# libtorrent is not instrumented and keeps what it allocates once: leaks are looked for by other means.
	ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
		-max_total_time="$seconds" -timeout=25 -rss_limit_mb=3000 -max_len=4096 -print_final_stats=1 ||
		failed="$failed $target"
done
if [ -n "$failed" ]; then
	echo "fuzz: something was found by:$failed" >&2
	exit 1
fi
