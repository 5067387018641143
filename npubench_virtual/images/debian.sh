# Sourced by build.sh: the disk of the debian image. Packages are unpacked here and configured on the board.
# shellcheck shell=sh disable=SC2154
[ "$(id -u)" = 0 ] || [ -n "${FAKEROOTKEY:-}" ] || fail "files of the disk belong to root: run it as root or under fakeroot"
size=900M
disk=$work/disk

apt-get -y -qq --download-only -o Dir::Cache::archives="$cache/debs" install '?essential' \
    systemd-sysv udev openssh-server openssh-sftp-server iproute2 kmod procps passwd \
    > "$work/apt.log" 2>&1 || fail "$(tail -n 1 "$work/apt.log")"
apt-get -y -qq --print-uris -o Dir::Cache::archives="$work" install '?essential' \
    systemd-sysv udev openssh-server openssh-sftp-server iproute2 kmod procps passwd \
    | sed "s/^'[^']*' \([^ ]*\) .*/\1/" > "$work/wanted"
mkdir -p "$disk/var/lib/dpkg/info" "$disk/var/lib/dpkg/updates"
: > "$disk/var/lib/dpkg/available"
: > "$disk/var/lib/dpkg/status"

# Unpacked as dpkg would: the files, the control scripts and an entry "unpacked" each.
mkdir "$disk/usr" "$disk/usr/bin" "$disk/usr/sbin" "$disk/usr/lib"
for folder in bin sbin lib; do
    ln -s "usr/$folder" "$disk/$folder"
done
while read -r file; do
    deb=$cache/debs/$file
    name=${file%%_*}
    echo "$name $(dpkg-deb -f "$deb" Version)" >> "$target/packages"
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$disk"
    prefix=$name
    [ "$(dpkg-deb -f "$deb" Multi-Arch)" != same ] || prefix=$name:armhf
    info=$disk/var/lib/dpkg/info/$prefix
    dpkg-deb -e "$deb" "$work/control"
    for part in "$work/control"/*; do
        case ${part##*/} in control | md5sums) ;; *) cp -p "$part" "$info.${part##*/}" ;; esac
    done
    { echo "/." && dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's|^\.||; s|/$||' | grep .; } > "$info.list"
    {
        sed -n '1p' "$work/control/control"
        echo "Status: install ok unpacked"
        sed -n '2,$p' "$work/control/control"
        if [ -s "$work/control/conffiles" ]; then
            echo "Conffiles:"
            sed 's/$/ newconffile/; s/^/ /' "$work/control/conffiles"
        fi
        echo
    } >> "$disk/var/lib/dpkg/status"
    rm -r "$work/control"
done < "$work/wanted"
cat > "$disk/configure-packages" <<'CONFIGURE'
#!/bin/sh
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
rm /configure-packages
dpkg --configure --pending --force-configure-any --force-depends && echo "npubench: configured" || dpkg --audit
rm -f /etc/ssh/ssh_host_*
CONFIGURE
chmod 755 "$disk/configure-packages"
cp -p "$disk/usr/share/base-passwd/passwd.master" "$disk/etc/passwd"
cp -p "$disk/usr/share/base-passwd/group.master" "$disk/etc/group"
echo virtual-a7 > "$disk/etc/hostname"
printf '127.0.0.1 localhost virtual-a7\n' > "$disk/etc/hosts"
echo '/dev/vda / ext4 defaults,noatime 0 0' > "$disk/etc/fstab"
: > "$disk/etc/machine-id"
# None of these can work here, and each would hold up the start.
mkdir -p "$disk/etc/systemd/system"
for unit in systemd-modules-load.service serial-getty@ttyAMA0.service getty@tty1.service e2scrub_reap.service \
    apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer; do
    ln -s /dev/null "$disk/etc/systemd/system/$unit"
done

truncate -s "$size" "$target/disk.part"
mke2fs -q -t ext4 -L virtual-a7 -E root_owner=0:0 -d "$disk" "$target/disk.part"
echo "configuring $(wc -l < "$work/wanted") packages on the board"
qemu-system-arm -M virt,highmem=off -cpu cortex-a7 -smp 2 -m 512 -display none -nodefaults -no-reboot \
    -kernel "$target/kernel" -initrd "$target/initrd" -append "console=ttyAMA0 quiet panic=-1" \
    -netdev user,id=n0,restrict=on -device virtio-net-device,netdev=n0 -device virtio-rng-device \
    -drive "if=none,id=disk,format=raw,cache=unsafe,file=$(echo "$target/disk.part" | sed 's/,/,,/g')" \
    -device virtio-blk-device,drive=disk -serial stdio -monitor none < /dev/null > "$work/console"
cat "$work/console"
grep -q '^npubench: configured' "$work/console" || fail "its packages were not configured"
mv "$target/disk.part" "$target/disk"
