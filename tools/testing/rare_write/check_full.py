#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make check-full: make check under every condition, and a table of what came of it.

It takes hours. What passed is not done again unless what was booted changed: interrupt
it and start it again as you like.
"""
import functools
import glob
import hashlib
import json
import os

import check
import conditions
from common import ARCHES, BUILD, HERE, object_folder, script, write_whole
from scenarios import SCENARIOS, expectations, plan

FOLDER = os.path.join(BUILD, 'results', 'full')

# What boots a scenario and says what came of it.
JUDGES = ('init.c', 'build.py', 'vm.py', 'bochs.py', 'console.py', 'check.py')


def identity(name, needs):
    """Of all that the cases of a scenario depend on, once its kernel is built."""
    (arch, *_), obj = needs[0], object_folder(*needs[0])
    steps, _ = plan(name)
    # All modules: some are loaded, and symbols.gadgets looks at each.
    files = [os.path.join(obj, ARCHES[arch]['image']),
             *sorted(glob.glob(os.path.join(obj, '**', '*.ko'), recursive=True)),
             *check.programs(arch, obj, steps).values(), *(os.path.join(HERE, f) for f in JUDGES)]
    digest = hashlib.sha256(repr((expectations(name), check.planned_steps(name))).encode())
    digest.update(check.emulator_version(name).encode())
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


def main():
    os.makedirs(FOLDER, exist_ok=True)
    results = check.perform([(name, needs, functools.partial(remembered, name, needs, function))
                             for name, needs, function in check.asked(full=True)])
    conditions.write_table(results)
    check.conclude(results)


if __name__ == '__main__':
    script(main)
