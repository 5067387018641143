#!/bin/sh
# Installs what the virtual ARM board and its tests need of the system, where it is missing; with
# "debian" also what its Debian image is built with.
set -eu

missing=""
need() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need qemu-system-arm qemu-system-arm
need zstd zstd
need cpio cpio
need ssh openssh-client
need arm-linux-gnueabihf-gcc "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"
[ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
[ "${1:-}" != debian ] || need mke2fs e2fsprogs
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "the virtual board needs:$missing; install them with this system's package manager" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
