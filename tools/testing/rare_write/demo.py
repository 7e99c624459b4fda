#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make demo: boot the test kernel and show what the sample module tells."""
import os
import re
import sys

import build
import console
import vm
from common import ARCHES, Step, choose, script


def main():
    arch = os.environ.get('ARCH')
    good = True
    for arch in [choose('ARCH', arch, ARCHES)] if arch else ARCHES:
        obj = build.kernel(arch)
        with Step(f'booting {arch}'):
            run = vm.boot(arch, obj, f'{arch}-demo', ['insmod /lib/rare_write_demo.ko '],
                          {'/lib/rare_write_demo.ko': build.module(obj, 'rare_write_demo')})
        print(f'\n--- {arch} ---')
        for line in run.text.splitlines():
            if found := re.match(console.STAMP + r'(rare_write: .*|rare_write_demo: (.*))', line):
                print(found[2] or found[1])
        problems = run.problems()
        if 'rare_write_demo: demo finished: ok' not in run.text:
            problems.append('the demo did not finish')
        for problem in problems:
            print(f'error: {problem}', file=sys.stderr)
        print(f'(console: {os.path.relpath(run.log)})')
        good = good and not problems
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    script(main)
