#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Becomes the systemd of a machine of its own. To be run by `unshare --mount --pid --fork --cgroup --ipc --uts --net`,
# in a control group of its own.
#
#   boot_systemd.sh FOLDER FILES BIND...
#
# FOLDER: an empty one to work in. FILES: a tree that is copied over the root. BIND: SOURCE:TARGET, a folder of this
# machine, and where it is mounted there. The root is this machine's, under an overlay in memory: nothing is changed.
set -e
work=$1 files=$2
shift 2

mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/overlay" "$work/root"
root=$work/root
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"

cp -R "$files/." "$root/"
for bind; do
  mkdir -p "$root/${bind##*:}"
  mount --bind "${bind%%:*}" "$root/${bind##*:}"
done

# What comes in at tap0 was sent at wire0.
ip link set lo up
ip link add tap0 type veth peer name wire0
ip link set tap0 up
ip link set wire0 up

cd "$root"
mkdir before
pivot_root . before
umount -l /before
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test /lib/systemd/systemd --system --unit=test.target
