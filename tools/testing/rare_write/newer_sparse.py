# SPDX-License-Identifier: GPL-2.0-only
"""A sparse that the kernel takes.

That of Debian 12, 0.6.4, does not know __typeof_unqual__, which Linux 7.3 uses: its
checker-valid.sh says so, and kbuild then only warns, and checks nothing. Debian's unstable
release has a later one. It is unpacked, not installed, beside the C library that it needs,
whose loader starts it.
"""
import glob
import os

import fetch
from common import BUILD, SRC, captured, die, locked, write_whole

FOLDER = os.path.join(BUILD, 'sparse')
PACKAGES = ('sparse', 'libc6')
SUITES = ('sid',)
START = '''#!/bin/sh
exec {loader} --library-path {libraries} {folder}/usr/bin/sparse "$@"
'''


def fits(program):
    """Does the kernel take it? 6.12 does not ask, and takes what there is."""
    script = os.path.join(SRC, 'scripts/checker-valid.sh')
    return not os.path.isfile(script) or captured([script, program])[1].strip() == '1'


def extract(packages):
    """Unpack it, with a program that starts it."""
    fetch.extract(packages, FOLDER)
    for loader in glob.glob(os.path.join(FOLDER, 'usr/lib/*/ld-linux-*.so.*')):
        start = os.path.join(FOLDER, 'start')
        write_whole(start, START.format(loader=loader, libraries=os.path.dirname(loader),
                                        folder=FOLDER))
        os.chmod(start, 0o755)


def program():
    """The installed one, if it fits."""
    if fits('sparse'):
        return 'sparse'
    with locked('sparse'):
        start = os.path.join(FOLDER, 'start')
        if not os.path.isfile(start):
            with fetch.packages(PACKAGES, SUITES, 'install a later sparse') as packages:
                extract(packages)
    if not fits(start):
        die(f'{os.path.relpath(start)} is no sparse that this kernel takes: install a later one')
    return start
