#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Install what the build and the virtual machines need, or say what is missing.
# With arguments: those packages instead; as well if they begin with "+".
set -euo pipefail

packages=(
	make git perl flex bison bc rsync kmod python3 xz-utils libelf-dev libssl-dev
	gcc libc6-dev clang-19 lld-19 llvm-19 ccache
	qemu-system-x86 qemu-system-arm
	bochs bochs-term bochsbios vgabios grub-common grub-pc-bin xorriso mtools
)
# Somebody's own kernel source makes Debian's unnecessary. That of another kernel than
# 6.12 is not for this release of Debian, and fetch.py gets it: see there.
[ -n "${LINUX_SRC:-}${LINUX_TAR:-}" ] ||
	case "${KERNEL:-6.12}" in
	6.12) packages+=(linux-source-6.12) ;;
	*) packages+=(debian-archive-keyring) ;;
	esac
case "${1:-}" in
'') ;;
+*) packages+=("${@#+}") ;;
*) packages=("$@") ;;
esac

missing=()
for p in "${packages[@]}"; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' ||
		missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "error: packages are missing; as root: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "installing: ${missing[*]}"
mkdir -p build/logs
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y --no-install-recommends "${missing[@]}"; } > build/logs/apt.log 2>&1; then
	tail -n 20 build/logs/apt.log
	echo "error: installing packages failed, see build/logs/apt.log" >&2
	exit 1
fi
