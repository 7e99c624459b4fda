#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make check-full: make check under every condition, and a table of what came of it.

It takes hours. What passed is not done again unless what was booted changed: interrupt
it and start it again as you like.
"""
import csv
import functools
import hashlib
import json
import os
import re
import subprocess
import sys

import check
from common import ARCHES, BUILD, HERE, SRC, TOP, object_folder, script, write_whole
from scenarios import SCENARIOS, expectations, plan

FOLDER = os.path.join(BUILD, 'results', 'full')
TABLE = os.path.join(TOP, 'Documentation/security/rare-write-conditions.csv')

# What boots a scenario and says what came of it.
JUDGES = ('init.c', 'build.py', 'vm.py', 'bochs.py', 'console.py', 'check.py')

# What the columns of the table are: title, and which cases count.
COLUMNS = (
    ('interface', r'(second-kernel\.)?rare_write\.'),
    ('misuse', r'(second-kernel\.)?(misuse_is_fatal|rare_write_misuse)\.'),
    ('protection', r'(second-kernel\.)?rare_write_protect\.'),
    ('attacks', r'(rare_write_attack|direct_by_helper|deputy)\.'),
    ('kselftest', r'kselftest\.'),
    ('LKDTM', r'lkdtm\.'),
    ('console, steps, the rest', ''),
)


def first_line(*argv):
    return subprocess.check_output(argv, text=True).splitlines()[0]


def identity(name, needs):
    """Of all that the cases of a scenario depend on, once its kernel is built."""
    (arch, *_), obj = needs[0], object_folder(*needs[0])
    steps, modules = plan(name)
    files = [os.path.join(obj, ARCHES[arch]['image']), *check.libraries(obj, modules).values(),
             *check.programs(arch, obj, steps).values(), *(os.path.join(HERE, f) for f in JUDGES)]
    digest = hashlib.sha256(repr((expectations(name), check.planned_steps(name))).encode())
    digest.update(first_line('qemu-system-x86_64', '--version').encode())
    for path in files:
        with open(path, 'rb') as file:
            digest.update(file.read())
    return digest.hexdigest()


def remembered(name, needs, function):
    """The cases of a scenario: those of a run in which nothing failed, if it would go the same.

    The other tables depend on more than could be named here, and take minutes: they run.
    """
    if name not in SCENARIOS:
        return function()
    path, now = os.path.join(FOLDER, f'{name}.json'), identity(name, needs)
    if os.path.isfile(path):
        with open(path) as file:
            kept = json.load(file)
        if kept['identity'] == now:
            return kept['cases']
    cases = function()
    if not any(state.startswith('failed') for state in cases.values()):
        write_whole(path, json.dumps({'identity': now, 'cases': cases}, indent=1))
    return cases


def cell(cases):
    """What a suite did: how many passed, and why others were skipped."""
    states = list(cases.values())
    failed = sum(state.startswith('failed') for state in states)
    skipped = {state[9:] for state in states if state.startswith('skipped')}
    text = [f'{states.count("ok")} passed'] if 'ok' in states else []
    text += [f'{failed} FAILED'] if failed else []
    text += [f'{sum(s.startswith("skipped") for s in states)} skipped: {"; ".join(sorted(skipped))}'
             ] if skipped else []
    return ', '.join(text)


def row(name, cases):
    """A line of the table. A suite that has no case here has a reason."""
    what, cells, rest = SCENARIOS[name], [], dict(cases)
    for _, pattern in COLUMNS:
        mine = {case: rest.pop(case) for case in list(rest) if re.match(pattern, case)}
        cells.append(cell(mine) or 'not in this kernel')
    machine = ', '.join(filter(None, (
        f'{what.cpu}', f'{what.smp} CPUs', what.machine, what.append)))
    return [name, f'{what.config}, {what.toolchain}', machine, *cells]


def write_table(results):
    """The table for the documentation, with what it was made with."""
    with open(os.path.join(SRC, 'Makefile')) as file:
        version = '.'.join(re.findall(r'^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)', file.read(), re.M))
    with open(TABLE, 'w', newline='') as file:
        out = csv.writer(file, lineterminator='\n')
        out.writerow(['condition', 'kernel', 'machine', *(title for title, _ in COLUMNS)])
        # The attacks on a machine are a boot of their own, but no condition of their own.
        out.writerows(row(name, {**results[name], **results.get(f'{name}-attack', {})})
                      for name in SCENARIOS if name in results and not name.endswith('-attack'))
        out.writerow(['made with', f'Linux {version}',
                      '; '.join((first_line('clang-19', '--version'),
                                 first_line('qemu-system-x86_64', '--version'))),
                      *('' for _ in COLUMNS)])


def main():
    os.makedirs(FOLDER, exist_ok=True)
    results = check.perform([(name, needs, functools.partial(remembered, name, needs, function))
                             for name, needs, function in check.asked(full=True)])
    if not os.environ.get('ARCH') and not os.environ.get('ONLY'):
        write_table(results)
    check.conclude(results)


if __name__ == '__main__':
    script(main)
