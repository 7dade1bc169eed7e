#!/bin/sh
# Installs what `make play`, `make test` or `make bench` needs and this machine lacks.
#
#   scripts/setup.sh play    to build the library and the demonstration
#   scripts/setup.sh test    the same, and what the tests use besides
#   scripts/setup.sh bench   to build the library, and what the benchmark compares it with
#
# Looks first and installs only what is missing, by apt; when nothing is missing it says nothing, needs no root and no
# network. Without apt it names what is missing.
set -eu

# Of Cargo.toml: rust-version.
rust_wanted=1.88

say() { printf '%s\n' "setup: $*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }
have_library() { have pkg-config && pkg-config --exists "$1"; }

# need <Debian package> <check...>: the package is required; the check says whether it is there.
needed=
need() {
	package=$1
	shift
	"$@" || needed="$needed $package"
}

# want: the same for what can be done without.
wanted=
want() {
	package=$1
	shift
	"$@" || wanted="$wanted $package"
}

check_rust() {
	# A shell that was open while rustup was installed does not have it on its PATH.
	PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
	if ! have cargo || ! have rustc; then
		say "Rust is missing (cargo, rustc $rust_wanted or newer). Install it as your user, then open a new shell:"
		say "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
		exit 1
	fi
	version=$(rustc --version | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/')
	if [ "${version%%.*}" -eq "${rust_wanted%%.*}" ] && [ "${version#*.}" -lt "${rust_wanted#*.}" ]; then
		say "Rust is too old: rustc $version, needed is $rust_wanted. Run: rustup update stable"
		exit 1
	fi
}

# As root, however that is done here.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		say "root is needed for: $*"
		say "there is no sudo here; run that as root, then try again"
		return 1
	fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null </dev/null; }

# Debian's names; those of other systems are close to them.
name_packages() {
	say "  Fedora: gcc-c++ make cmake pkgconf rb_libtorrent-devel openssl-devel"
	say "  Arch:   base-devel cmake pkgconf libtorrent-rasterbar openssl"
	[ "$1" = play ] || say "  for the tests also: lld mold python3"
	say "  others: a C++17 compiler, CMake 3.20, pkg-config, libtorrent (rasterbar) 2.0.8 or a later 2.0, OpenSSL"
}

case ${1-} in
play | test | bench) ;;
*)
	say "usage: scripts/setup.sh play|test|bench"
	exit 2
	;;
esac

need build-essential have g++
need cmake have cmake
need pkg-config have pkg-config
need libtorrent-rasterbar-dev have_library 'libtorrent-rasterbar >= 2.0.8'
need libssl-dev have_library openssl
if [ "$1" = test ]; then
	# The linkers that hosts use, besides binutils' own, and the host that loads the library at run time.
	need lld have ld.lld
	need mold have mold
	need python3 have python3
	want ffmpeg have ffmpeg
	want mpv have mpv
	# On Ubuntu these two are snaps, which cannot be installed everywhere; a browser of the user's own is as good.
	{ have chromium || have chromium-browser || have google-chrome; } || wanted="$wanted chromium"
	{ have chromedriver || have chromium.chromedriver; } || wanted="$wanted chromium-driver"
	want valgrind have valgrind
fi
if [ "$1" = bench ]; then
	# For the row `tail`: its file, and ffprobe.
	want ffmpeg have ffprobe
	# In /usr/sbin, which is not on everybody's PATH.
	{ have nginx || [ -x /usr/sbin/nginx ]; } || wanted="$wanted nginx-light"
fi

check_rust
if [ -z "$needed$wanted" ]; then
	exit 0
fi
if ! have apt-get; then
	[ -z "$wanted" ] || say "not installed, what uses them says so:$wanted"
	[ -n "$needed" ] || exit 0
	say "missing:$needed (Debian's names). apt is not here, so install them yourself:"
	name_packages "$1"
	exit 1
fi

say "installing:$needed$wanted"
# What is in the lists may do when the network is not there.
apt update || say "apt-get update failed; going on with the lists there are"
if [ -n "$needed" ]; then
	# shellcheck disable=SC2086 # a list of words
	apt install -y --no-install-recommends $needed || {
		say "could not be installed, see above:$needed"
		exit 1
	}
	if ! have_library 'libtorrent-rasterbar >= 2.0.8'; then
		say "libtorrent is too old here: $(pkg-config --modversion libtorrent-rasterbar), needed is 2.0.8."
		say "Debian 12 and Ubuntu 23.04 are the first with a new enough one."
		exit 1
	fi
fi
for package in $wanted; do
	apt install -y --no-install-recommends "$package" ||
		say "$package could not be installed, see above; what uses it says so and does without"
done
