#!/bin/sh
# Runs the tests under a checker of memory or threads.
#
#   scripts/sanitize.sh asan PROFILE SWARM     AddressSanitizer, LeakSanitizer, UndefinedBehaviorSanitizer: C tests
#   scripts/sanitize.sh tsan                   ThreadSanitizer: the tests of the whole engine
#   scripts/sanitize.sh prove-valgrind         only shows that valgrind is there and finds mistakes
#
# PROFILE: cargo profile of the library. SWARM: the vozduxan-swarm program. Each first runs programs with planted
# mistakes (c-tests/planted) and fails unless every one is reported.
#
# Rust is instrumented by a nightly compiler (-Zsanitizer), C and C++ by gcc, whose runtime all three share. libtorrent,
# OpenSSL and Rust's standard library are as they are installed: what happens inside them is not seen, what they do to
# our memory through intercepted functions is.
set -eu

cd "$(dirname "$0")/.."
say() { printf '%s\n' "sanitize: $*" >&2; }
planted=build/planted/${1:-none}
mkdir -p "$planted"

# expect <words of the report> <command...>: the command must fail and say them.
expect() {
	words=$1
	shift
	if "$@" >"$planted/said" 2>&1; then
		say "not on: \"$*\" ended well, a report of \"$words\" was planted"
		cat "$planted/said" >&2
		exit 1
	fi
	if ! grep -q "$words" "$planted/said"; then
		say "not on: \"$*\" failed without saying \"$words\":"
		cat "$planted/said" >&2
		exit 1
	fi
}

have_nightly() { rustc +nightly --version >/dev/null 2>&1; }
host() { rustc -vV | sed -n 's/^host: //p'; }

asan() {
	# Not vptr: it needs the type information of libtorrent's classes, and the library exports none of some.
	flags='-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g'
	export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
	export UBSAN_OPTIONS=print_stacktrace=1
	rust=
	if have_nightly; then
		rustc +nightly -Zsanitizer=address --edition 2024 --crate-type staticlib -Cdebuginfo=1 \
			-o "$planted/libplanted.a" c-tests/planted/planted.rs
		rust="-DPLANTED_RUST $planted/libplanted.a"
	else
		say "no nightly Rust (rustup toolchain install nightly): only C is instrumented, C++ and Rust are not"
	fi
	# shellcheck disable=SC2086 # flags are several words
	cc $flags -o "$planted/asan" c-tests/planted/planted.c $rust -lpthread -ldl -lm
	expect 'heap-buffer-overflow' "$planted/asan" overflow
	expect 'LeakSanitizer: detected memory leaks' "$planted/asan" leak
	expect 'signed integer overflow' "$planted/asan" arithmetic
	[ -z "$rust" ] || expect 'heap-buffer-overflow' "$planted/asan" rust

	set -- -S . -B build/asan "-DVOZDUXAN_CARGO_PROFILE=$1" -DCMAKE_RULE_MESSAGES=OFF -DVOZDUXAN_BUILD_TESTS=ON \
		-DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ "-DCMAKE_C_FLAGS=$flags" "-DCMAKE_CXX_FLAGS=$flags" \
		"-DVOZDUXAN_SWARM_RUNNER=$2;run;--"
	if [ -n "$rust" ]; then
		# A target of its own, so that build scripts and macros stay as they are. CXXFLAGS reaches the bridge's C++.
		set -- "$@" "-DVOZDUXAN_RUST_TARGET=$(host)" -DVOZDUXAN_RUSTFLAGS=-Zsanitizer=address
		export RUSTUP_TOOLCHAIN=nightly CXXFLAGS="$flags"
	fi
	cmake "$@" >build/asan.log 2>&1 || { cat build/asan.log >&2; exit 1; }
	cmake --build build/asan
	if [ -n "$rust" ] && ! nm build/asan/vozduxan.o | grep -q ' U __asan_report_load'; then
		say "not on: the library holds no checks"
		exit 1
	fi
	# Not the tests that are about files, and not the hosts that bring a build of their own: rustc, ld and Python link no
	# checker's runtime.
	ctest --test-dir build/asan --output-on-failure --parallel 2 \
		--exclude-regex '^(symbols|artifacts|installed|subdirectory|host_rust|host_c_by|host_python|refusals)'
	# Where the system refuses tokio a thread, tokio panics while it builds its runtime and loses what it had built.
	echo 'leak:tokio7runtime7builderNtB2_7Builder5build' >build/asan/lsan.supp
	LSAN_OPTIONS="suppressions=$PWD/build/asan/lsan.supp:print_suppressions=0" \
		ctest --test-dir build/asan --output-on-failure --tests-regex '^refusals'
}

# own <folder...>: prints those of ThreadSanitizer's reports in build/tsan/report.* that are about code in these folders,
# and fails if there are any. A report is about whose code made one of the two accesses; the standard library and C++
# headers made it for whoever called them.
own() {
	cat build/tsan/report.* 2>/dev/null | awk -v folders="$*" -v root="$PWD" '
		BEGIN { count = split(folders, folder, " ") }
		/^WARNING: ThreadSanitizer/ { report = ""; ours = 0; access = 0 }
		{ report = report $0 "\n" }
		/^  (Previous )?([Aa]tomic )?([Ww]rite|[Rr]ead) of size/ { access = 1; next }
		# Every other heading: where the memory or the thread comes from. A lock or a thread that is misused counts too.
		/^  [A-Z]/ { access = 0 }
		access && /^    #/ {
			if (/\/rustc\// || /\/include\/c\+\+\// || /<null>/) next
			for (i = 1; i <= count; i++)
				if (index($0, root "/" folder[i] "/") || index($0, " " folder[i] "/")) ours = 1
			access = 0
		}
		/^SUMMARY/ && (ours || !/data race/) { found++; printf "%s\n", report }
		END { exit (found > 0) }'
}

tsan() {
	have_nightly || { say "ThreadSanitizer needs nightly Rust: rustup toolchain install nightly"; exit 1; }
	mkdir -p build/tsan
	rm -f build/tsan/report.*
	# Every report goes to a file of its process; what it is about is told apart afterwards.
	export TSAN_OPTIONS="suppressions=$PWD/scripts/tsan.supp:halt_on_error=0:second_deadlock_stack=1:exitcode=0:log_path=$PWD/build/tsan/report"
	rustflags='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer'
	cc -fsanitize=thread -g -o "$planted/tsan" c-tests/planted/planted.c -lpthread
	# shellcheck disable=SC2086 # flags are several words
	rustc +nightly $rustflags --edition 2024 --cfg race --crate-type bin -Cdebuginfo=1 -o "$planted/tsan-rust" \
		c-tests/planted/planted.rs
	for program in 'tsan race' tsan-rust; do
		# shellcheck disable=SC2086 # a command of several words
		"$planted/"$program >/dev/null
		if own c-tests/planted >/dev/null; then
			say "not on: no race was reported of the one in \"$planted/$program\""
			exit 1
		fi
		if ! own src cxx >/dev/null; then
			say "the race in \"$planted/$program\" is taken for one in src"
			exit 1
		fi
		rm -f build/tsan/report.*
	done

	export RUSTUP_TOOLCHAIN=nightly RUSTFLAGS="$rustflags" CC=gcc CXX=g++ CXXFLAGS='-fsanitize=thread -g'
	# Two at a time: everything is some ten times slower, and tests fail what takes a minute. Left out is what asks for
	# thousands of connections in a given time, and what measures the memory or the descriptors of its process: the
	# checker takes some of its own.
	cargo test -q --locked --target "$(host)" --target-dir build/tsan/cargo --test loopback --test http -- \
		--test-threads 2 --skip idle_connections_do_no_harm --skip aborted_transfers --skip two_thousand_that_wait \
		--skip a_thousand_aborted_requests
	say "$(cat build/tsan/report.* 2>/dev/null | grep -c '^SUMMARY') reports about other code, see scripts/tsan.supp"
	own src cxx || { say "races in src or cxx, see above"; exit 1; }
}

prove_valgrind() {
	cc -g -O0 -o "$planted/plain" c-tests/planted/planted.c -lpthread
	check='valgrind -q --error-exitcode=9 --leak-check=full'
	# shellcheck disable=SC2086 # a command of several words
	expect 'Invalid write' $check "$planted/plain" overflow
	# shellcheck disable=SC2086
	expect 'definitely lost' $check "$planted/plain" leak
}

case "${1:-} $#" in
'asan 3') asan "$2" "$3" ;;
'tsan 1') tsan ;;
'prove-valgrind 1') prove_valgrind ;;
*)
	say "usage: scripts/sanitize.sh asan PROFILE SWARM, or tsan, or prove-valgrind"
	exit 2
	;;
esac
