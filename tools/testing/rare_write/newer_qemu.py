# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU that checks the tags of memory right.

In that of Debian 12, 7.2, the slab allocator of a kernel with KASAN_HW_TAGS meets a tag that
does not match when it makes its first object. Debian's backports have a later one: it is
unpacked, not installed, and uses the libraries that the other one brought.
"""
import os
import re

import fetch
from common import BUILD, die, first_line, locked

FOLDER = os.path.join(BUILD, 'qemu')
# What it is known to work with.
LEAST = 10
PACKAGES = ('qemu-system-arm', 'qemu-system-common', 'qemu-system-data')
SUITES = ('bookworm-backports',)


def version(program):
    return int(re.search(r'version (\d+)', first_line(program, '--version'))[1])


def aarch64():
    """The program: the installed one, if it is new enough."""
    if version('qemu-system-aarch64') >= LEAST:
        return 'qemu-system-aarch64'
    with locked('qemu'):
        if not os.path.isdir(FOLDER):
            with fetch.packages(PACKAGES, SUITES, f'install QEMU {LEAST} or later') as packages:
                fetch.extract(packages, FOLDER)
    program = os.path.join(FOLDER, 'usr/bin/qemu-system-aarch64')
    if (found := version(program)) < LEAST:
        die(f'{os.path.relpath(program)} is QEMU {found}, {LEAST} or later is needed')
    return program
