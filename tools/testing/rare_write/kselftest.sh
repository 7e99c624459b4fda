#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run the selftests in /kselftests/list, each line of which is a name, a folder, seconds, and a
# command, with tabs between. What they say goes to the port that is given, whole lines
# after a blank, between "begin NAME" and "end STATUS".

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C
exec > "$1" < /dev/null || exit
said=$(mktemp)
ln -s /proc/self/fd /dev/fd
ip link set lo up

while IFS=$'\t' read -r -u 3 name folder seconds command; do
	# The console tells what the kernel said during which test.
	echo "<5>kselftest: $name" > /dev/kmsg
	echo "begin $name"
	cd "/kselftests/$folder" || exit
	timeout -k 10 "$seconds" bash -c "$command" > "$said" 2>&1
	status=$?
	# What does not end with a line shall not swallow what comes after it.
	tr -d '\r\0' < "$said" | sed 's/^/ /' | awk 1
	echo "end $status"
done 3< /kselftests/list
echo '<5>kselftest: ' > /dev/kmsg
echo finished
