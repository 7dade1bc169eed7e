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
# soak: how long.
MINUTES = 30
# soak, kill: where the dice start; nothing: elsewhere each time.
SEED =
# Cargo profile of the library under CMake. dev is optimised too and builds without release's whole-program LTO; a
# swarm's line is what takes the time either way. `make play PROFILE=release` links what gets installed.
PROFILE = dev
# kill: how many rounds.
ROUNDS = 50
# simulate: how many swarms.
SWARMS = 2000
# attack, fuzz: seconds for each of their parts.
T = 60
# CMake's build directory; one for each profile.
BUILD = build/$(PROFILE)

# bench: the rows to measure, of bench/rows.toml; nothing: all.
ROW =
# bench: measurements of each figure.
N = 5
# bench: candidates, separated by commas; nothing: those of each row.
ONLY =
# bench: RATE (bytes per second of each peer), RTT (ms), PEERS, PIECE (KiB), TRACK (1000 bytes), SECONDS, KIND
# (v1, v2, hybrid) instead of the rows' own.
bench_flags = --repeats '$(N)' $(if $(ONLY),--only '$(ONLY)') $(if $(RATE),--rate '$(RATE)') \
	$(if $(RTT),--rtt-ms '$(RTT)') $(if $(PEERS),--peers '$(PEERS)') $(if $(PIECE),--piece-kib '$(PIECE)') \
	$(if $(TRACK),--track-kb '$(TRACK)') $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(KIND),--kind '$(KIND)')

cargo_target = $${CARGO_TARGET_DIR:-target}
play_flags = $(if $(FILE),--file '$(FILE)') $(if $(LOG),--log) $(if $(SILENT),--silent)
swarm = $(abspath $(or $(CARGO_TARGET_DIR),target))/debug/vozduxan-swarm

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

play: setup-play lib ## set up, build, play from a loopback swarm and check it; SRC='magnet:?…' or SRC=file.torrent [FILE=n]: from the real network
	@VOZDUXAN_LIB_DIR='$(abspath $(BUILD))' cargo build -q --locked -p vozduxan-play --features archive
	@"$(cargo_target)/debug/vozduxan-play" $(play_flags) '$(SRC)'

test: setup-test ## set up, then every test: Rust, hosts in four languages against the archive and the shared library, and `make play`
	cargo test -q --locked --workspace
	@$(MAKE) c-test
	@$(MAKE) play SRC= FILE= SILENT=1

kill: ## ROUNDS (50) times kill -9 in mid-download, at places that SEED chooses; nothing may be lost
	ROUNDS='$(ROUNDS)' SEED='$(SEED)' cargo test -q --locked --test faults -- --exact kill::killed_as_often_as_asked --ignored --nocapture

faults: ## faults that take long or need root: a full file system, a network interface, a long suspension
	@[ "$$(id -u)" = 0 ] || { echo 'make faults mounts a file system and takes down an interface, both in namespaces of its own: run it as root' >&2; exit 1; }
	cargo test -q --locked --test faults --no-run
	unshare --mount --net sh -c 'ip link set lo up && exec cargo test -q --locked --offline --test faults -- --ignored --skip kill:: --test-threads 1'

check: ## formatting, clippy with warnings denied, then `make test`
	cargo fmt --all --check
	cargo fmt --manifest-path hosts/rust/Cargo.toml --check
	cargo clippy -q --locked --workspace --exclude vozduxan-models --all-targets --features vozduxan-play/archive -- -D warnings
	@# Not as a unit test target: the files it includes bring tests that run where they belong.
	cargo clippy -q --locked -p vozduxan-models --tests -- -D warnings
	@$(MAKE) test

lib: ## libvozduxan.a through CMake, in build/PROFILE
	@mkdir -p '$(BUILD)'
	@cmake -S . -B '$(BUILD)' -DVOZDUXAN_CARGO_PROFILE='$(PROFILE)' -DCMAKE_RULE_MESSAGES=OFF >'$(BUILD).log' 2>&1 || { cat '$(BUILD).log' >&2; exit 1; }
	@cmake --build '$(BUILD)' --target vozduxan

c-test: ## the C, C++, Rust and Python hosts by ctest, those that stream inside a loopback swarm
	@cargo build -q --locked -p vozduxan-swarm
	@mkdir -p '$(BUILD)'
	@cmake -S . -B '$(BUILD)' -DVOZDUXAN_CARGO_PROFILE='$(PROFILE)' -DCMAKE_RULE_MESSAGES=OFF -DVOZDUXAN_BUILD_TESTS=ON \
		'-DVOZDUXAN_SWARM_RUNNER=$(swarm);run;--' >'$(BUILD).log' 2>&1 || { cat '$(BUILD).log' >&2; exit 1; }
	@cmake --build '$(BUILD)'
	@# Four at a time on any machine: they mostly wait for lines of a fixed rate, and for a timeout of 90 s.
	@ctest --test-dir '$(BUILD)' --output-on-failure --parallel 4

bench: PROFILE = release
bench: setup-bench ## measures the engine and others against what physics allows: ROW='seek switch' N=5, results in target/bench
	@mkdir -p '$(BUILD)'
	@cmake -S . -B '$(BUILD)' -DVOZDUXAN_CARGO_PROFILE='$(PROFILE)' -DCMAKE_RULE_MESSAGES=OFF -DVOZDUXAN_BUILD_BENCH=ON \
		>'$(BUILD).log' 2>&1 || { cat '$(BUILD).log' >&2; exit 1; }
	@cmake --build '$(BUILD)' --target bench_engine bench_naive
	@cargo build -q --locked -p vozduxan-bench
	@"$(cargo_target)/debug/vozduxan-bench" --programs '$(BUILD)/bench' --out "$(cargo_target)/bench" $(bench_flags) $(ROW)

simulate: ## random swarms in simulation, SWARMS of them (2000); writes docs/simulated-swarms.md
	SIMULATE_SWARMS='$(SWARMS)' SIMULATE_TABLE='$(abspath docs/simulated-swarms.md)' \
		cargo test -q --locked --test simulate -- --nocapture over_random_swarms

header: ## writes include/vozduxan.h anew from src/abi
	UPDATE_HEADER=1 cargo test -q --locked --test header

asan: ## the C tests with C, C++ and (with a nightly compiler) Rust checked by AddressSanitizer, LeakSanitizer and UBSan
	@cargo build -q --locked -p vozduxan-swarm
	@scripts/sanitize.sh asan '$(PROFILE)' '$(swarm)'

tsan: ## the Rust tests of the whole engine under ThreadSanitizer; needs a nightly compiler
	@scripts/sanitize.sh tsan

# Valgrind 3.19 knows no openat2. Under it files are opened by the walk that serves sandboxes and old kernels
# (src/os/folder.rs), and every read takes a thread that may wait for the disk (at_from_memory in src/os/status.rs
# cannot tell): what is checked here is those two ways. `make asan` takes the usual ones.
valgrind: c-test ## the C tests that need no swarm, and the whole story of a host, under valgrind
	@scripts/sanitize.sh prove-valgrind
	valgrind -q --suppressions=scripts/valgrind.supp --error-exitcode=9 --leak-check=full '$(BUILD)/c-tests/nulls_static'
	'$(swarm)' run --track-mb 4 -- valgrind -q --suppressions=scripts/valgrind.supp --error-exitcode=9 --leak-check=full '$(BUILD)/c-tests/smoke_static'

soak: ## half an hour (MINUTES=n) of a random host on churning swarms: every byte checked, memory watched
	cargo run -q --locked -p vozduxan-soak -- --seconds $$((60 * $(MINUTES))) $(if $(SEED),--seed '$(SEED)')

attack: ## hostile clients, peers and torrents for T seconds each (60), with what they cost; `make test` has a short round
	VOZDUXAN_ATTACK_SECONDS=$(T) cargo test -q --locked --test http attack:: -- --nocapture --test-threads 1
	VOZDUXAN_ATTACK_SECONDS=$(T) cargo test -q --locked --test hostile -- --nocapture --test-threads 2 flood:: mutations::

fuzz: ## every fuzz target for T seconds (60); needs nightly Rust
	@scripts/fuzz.sh $(T)

clean: ## removes what was built
	rm -rf build
	cargo clean -q

setup-play setup-test setup-bench:
	@scripts/setup.sh $(@:setup-%=%)

.PHONY: help play test check lib c-test header valgrind soak clean setup-play setup-test asan tsan bench setup-bench kill faults attack fuzz simulate
