#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make soak: everything at once, for as long as one likes, on all architectures at once."""
import functools
import os
import re

import check
import check_soak
import conditions
import tree
from common import ARCHES, MAIN, TOP, choose, die, first_line, renew_table, script

TABLE = os.path.join(TOP, 'Documentation/security/rare-write-soak.csv')

# The columns that are counts, with what the program calls them.
COUNTS = ('windows', 'hotplug cycles', 'module loads', 'processes', 'NMIs', 'audits', 'attacks',
          'hits', 'torn')
COLUMNS = ('architecture', 'machine', 'kernel', 'minutes', *COUNTS, 'verdict', 'QEMU')


class Progress:
    """Passes on what the program says each minute, and drops the rest of the console."""

    def __init__(self, arch):
        self.arch, self.rest = arch, ''

    def __call__(self, text):
        *lines, self.rest = (self.rest + text).split('\n')
        for line in lines:
            if found := re.search(r'# (minutes \d.*)', line):
                print(f'{self.arch:7} {found[1].strip()}', flush=True)


def soak(arch, minutes, rows):
    """Soak one machine, add its row of the table; return the cases."""
    run = check_soak.boot(arch, minutes * 60, f'soak-{arch}', echo=Progress(arch))
    cases = check_soak.judge(run)
    counted = check_soak.numbers(run)
    bad = any(state != 'ok' for state in cases.values())
    machine = f'{check_soak.CPU}, {check_soak.SMP} CPUs {check_soak.APPEND[arch]}'.strip()
    rows[arch] = [arch, machine, f'{conditions.linux()}, {MAIN}', minutes,
                  *(counted.get(what, '-') for what in COUNTS), 'FAILED' if bad else 'ok',
                  first_line('qemu-system-x86_64', '--version').split()[3]]
    return cases


def show(rows):
    """The table, with a line for each column: there are too many of them."""
    for cells in zip(COLUMNS, *rows):
        print(f'{cells[0]:15}' + ''.join(f' {cell!s:>36}' for cell in cells[1:]))


def main():
    arch, minutes = os.environ.get('ARCH'), os.environ.get('MINUTES') or '5'
    if not re.fullmatch(r'[1-9]\d{0,4}', minutes):
        die(f'MINUTES={minutes} is not a number from 1 to 99999')
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    tree.prepare()
    rows = {}
    results = check.perform([(f'soak-{arch}', ((arch, MAIN, 'clang'),),
                              functools.partial(soak, arch, int(minutes), rows))
                             for arch in arches])
    show(rows.values())
    if os.environ.get('DOCS'):
        renew_table(TABLE, COLUMNS, rows)
    check.conclude(results)


if __name__ == '__main__':
    script(main)
