#!/bin/sh
# Builds the virtual ARM board out of Debian's packages for armhf: build.sh tiny|debian TARGET CACHE
#
#   TARGET/kernel, TARGET/initrd   both images; the tiny one is all in these
#   TARGET/disk                    debian: an ext4 file system with systemd and OpenSSH
#   TARGET/packages                names and versions of what is in it
#
# Packages come from a Debian mirror that apt is configured for, or from $NPUBENCH_DEBIAN_MIRROR. apt
# has folders of its own below CACHE, so nothing of this system's configuration is read or changed.
# Maintainer scripts of the debian image run on the board itself, so nothing here needs binfmt or chroot.
set -eu
export LC_ALL=C
kind=$1
target=$2
cache=$3
here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
work=$target/work
mkdir -p "$work"

fail() {
    echo "cannot build the image: $*" >&2
    exit 1
}

mirrors() {
    if [ -n "${NPUBENCH_DEBIAN_MIRROR:-}" ]; then
        echo "$NPUBENCH_DEBIAN_MIRROR"
    else
        # shellcheck disable=SC2016
        apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | sort -u
    fi
}

private_apt() {
    # $1: a mirror; leaves $APT_CONFIG behind
    apt=$cache/apt
    mkdir -p "$apt/etc/apt.conf.d" "$apt/etc/preferences.d" "$apt/state/lists/partial" "$cache/debs/partial"
    : > "$apt/status"
    echo "deb [signed-by=$keyring] $1 $suite main" > "$apt/etc/sources.list"
    cat > "$work/apt.conf" <<CONF
APT::Architecture "armhf";
APT::Architectures { "armhf"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc "$apt/etc";
Dir::Etc::Parts "$apt/etc/apt.conf.d";
Dir::Etc::SourceList "$apt/etc/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::PreferencesParts "$apt/etc/preferences.d";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$cache/debs";
DPkg::Post-Invoke { };
CONF
    export APT_CONFIG="$work/apt.conf"
}

[ -r "$keyring" ] || fail "$keyring is missing: apt-get install debian-archive-keyring"
found=
for mirror in $(mirrors); do
    private_apt "$mirror"
    echo "packages of $suite for armhf from $mirror"
    # An unreachable mirror is only a warning to apt; the kernel's name tells whether there are lists.
    apt-get -qq update || continue
    kernel=$(apt-cache depends linux-image-armmp | sed -n 's/^ *Depends: \(linux-image-.*-armmp\)$/\1/p' | head -n 1)
    if [ -n "$kernel" ]; then
        found=yes
        break
    fi
done
[ -n "$found" ] || fail "no mirror in apt's sources has $suite for armhf: set NPUBENCH_DEBIAN_MIRROR to one"

# fetch TARGET PACKAGE...: unpack these packages, none of what they depend on.
fetch() {
    into=$1
    shift
    mkdir -p "$into" "$work/debs"
    for package in "$@"; do
        version=$(apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p' | head -n 1)
        [ -n "$version" ] || fail "$suite has no package $package"
        architecture=$(apt-cache show --no-all-versions "$package" | sed -n 's/^Architecture: //p' | head -n 1)
        file=$cache/debs/${package}_$(echo "$version" | sed 's/:/%3a/')_$architecture.deb
        if [ ! -f "$file" ]; then
            (cd "$work/debs" && apt-get -qq download "$package")
            mv "$work/debs/${package}_"*.deb "$file"
        fi
        dpkg-deb -x "$file" "$into"
        echo "$package $version" >> "$target/packages"
    done
}

MODULES="virtio_mmio virtio-rng failover net_failover virtio_net virtio_blk crc16 mbcache jbd2 crc32c_generic ext4"
LIBRARIES="libtomcrypt.so.1 libtommath.so.1 libgmp.so.10 libz.so.1 libcrypt.so.1 libc.so.6"

fetch "$work/kernel" "$kernel"
fetch "$work/packages" busybox-static dropbear-bin libc6 libtomcrypt1 libtommath1 libgmp10 zlib1g libcrypt1
cp "$work/kernel/boot/vmlinuz-"* "$target/kernel"

root=$work/root
mkdir -p "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/lib/modules" "$root/lib/arm-linux-gnueabihf" "$root/etc" \
    "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/root" "$root/var/log" "$root/mnt"
cp "$work/packages/bin/busybox" "$root/bin/busybox"
cp "$work/packages/usr/sbin/dropbear" "$root/usr/sbin/dropbear"
for library in $LIBRARIES ld-linux-armhf.so.3; do
    file=$(find "$work/packages" -name "$library" | head -n 1)
    [ -n "$file" ] || fail "no package brought $library"
    cp -L "$file" "$root/lib/arm-linux-gnueabihf/$library"
done
mv "$root/lib/arm-linux-gnueabihf/ld-linux-armhf.so.3" "$root/lib/ld-linux-armhf.so.3"
for module in $MODULES; do
    file=$(find "$work/kernel/lib/modules" -name "$module.ko" | head -n 1)
    [ -n "$file" ] || fail "$kernel has no module $module"
    cp "$file" "$root/lib/modules/$module.ko"
done
sed "s/@MODULES@/$MODULES/" "$here/init" > "$root/init"
chmod 755 "$root/init"
echo '::respawn:/usr/sbin/dropbear -F -E -s -j -k -r /etc/npubench/dropbear_host_key -p 22' > "$root/etc/inittab"
echo '::ctrlaltdel:/sbin/reboot' >> "$root/etc/inittab"
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
echo '/bin/sh' > "$root/etc/shells"
printf 'ID=debian\nVERSION_CODENAME=%s\nPRETTY_NAME="busybox and dropbear of Debian %s"\n' "$suite" "$suite" > "$root/etc/os-release"
(cd "$root" && find . | sort | cpio --quiet -o -H newc -R 0:0 | gzip -n -1) > "$target/initrd"

if [ "$kind" = debian ]; then
    . "$here/debian.sh"
fi
[ -n "${KEEP:-}" ] || rm -rf "$work"
