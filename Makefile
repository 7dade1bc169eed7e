# vozduxan: `make play` shows it, `make test` tests it; both install what they need first. `make help` lists the rest.

SHELL = /bin/sh
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# play: what to play, a magnet link or a .torrent file; nothing: a generated album from a swarm on loopback.
SRC =
# play: which file of it, from 0; nothing: the first audio file.
FILE =
# play: 1 prints the engine's log.
LOG =
# play: 1 starts no audio player.
SILENT =
# Cargo profile of the library under CMake. dev is optimised too and builds without release's whole-program LTO; a
# swarm's line is what takes the time either way. `make play PROFILE=release` links what gets installed.
PROFILE = dev
# CMake's build directory; one for each profile.
BUILD = build/$(PROFILE)

cargo_target = $${CARGO_TARGET_DIR:-target}
play_flags = $(if $(FILE),--file '$(FILE)') $(if $(LOG),--log) $(if $(SILENT),--silent)
swarm = $(abspath $(or $(CARGO_TARGET_DIR),target))/debug/vozduxan-swarm

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

play: setup-play lib ## set up, build, play from a loopback swarm and check it; SRC='magnet:?…' or SRC=file.torrent [FILE=n]: from the real network
	@VOZDUXAN_LIB_DIR='$(abspath $(BUILD))' cargo build -q --locked -p vozduxan-play --features archive
	@"$(cargo_target)/debug/vozduxan-play" $(play_flags) '$(SRC)'

test: setup-test ## set up, then every test: Rust, C and C++ against the archive and the shared library, and `make play`
	cargo test -q --locked --workspace
	@$(MAKE) c-test
	@$(MAKE) play SRC= FILE= SILENT=1

check: ## formatting, clippy with warnings denied, then `make test`
	cargo fmt --all --check
	cargo clippy -q --locked --workspace --all-targets --features vozduxan-play/archive -- -D warnings
	@$(MAKE) test

lib: ## libvozduxan.a through CMake, in build/PROFILE
	@mkdir -p '$(BUILD)'
	@cmake -S . -B '$(BUILD)' -DVOZDUXAN_CARGO_PROFILE='$(PROFILE)' -DCMAKE_RULE_MESSAGES=OFF >'$(BUILD).log' 2>&1 || { cat '$(BUILD).log' >&2; exit 1; }
	@cmake --build '$(BUILD)' --target vozduxan

c-test: ## the C and C++ tests by ctest, those that stream inside a loopback swarm
	@cargo build -q --locked -p vozduxan-swarm
	@mkdir -p '$(BUILD)'
	@cmake -S . -B '$(BUILD)' -DVOZDUXAN_CARGO_PROFILE='$(PROFILE)' -DCMAKE_RULE_MESSAGES=OFF -DVOZDUXAN_BUILD_TESTS=ON \
		'-DVOZDUXAN_SWARM_RUNNER=$(swarm);run;--' >'$(BUILD).log' 2>&1 || { cat '$(BUILD).log' >&2; exit 1; }
	@cmake --build '$(BUILD)'
	@# Four at a time on any machine: they mostly wait for lines of a fixed rate, and for a timeout of 90 s.
	@ctest --test-dir '$(BUILD)' --output-on-failure --parallel 4

header: ## writes include/vozduxan.h anew from src/abi
	UPDATE_HEADER=1 cargo test -q --locked --test header

asan: ## the C tests with C, C++ and (with a nightly compiler) Rust checked by AddressSanitizer, LeakSanitizer and UBSan
	@cargo build -q --locked -p vozduxan-swarm
	@scripts/sanitize.sh asan '$(PROFILE)' '$(swarm)'

tsan: ## the Rust tests of the whole engine under ThreadSanitizer; needs a nightly compiler
	@scripts/sanitize.sh tsan

# Valgrind 3.19 knows no openat2. Under it files are opened by the walk that serves sandboxes and old kernels
# (src/storage/beneath.rs), and every read takes a thread that may wait for the disk (cached_identity in storage/read.rs
# cannot tell): what is checked here is those two ways. `make asan` takes the usual ones.
valgrind: c-test ## the C tests that need no swarm, and the whole story of a host, under valgrind
	@scripts/sanitize.sh prove-valgrind
	valgrind -q --error-exitcode=9 --leak-check=full '$(BUILD)/c-tests/nulls_static'
	'$(swarm)' run --track-mb 4 -- valgrind -q --error-exitcode=9 --leak-check=full '$(BUILD)/c-tests/smoke_static'

clean: ## removes what was built
	rm -rf build
	cargo clean -q

setup-play setup-test:
	@scripts/setup.sh $(@:setup-%=%)

.PHONY: help play test check lib c-test header asan tsan valgrind clean setup-play setup-test
