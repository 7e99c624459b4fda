#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make mutants: break the implementation on purpose; a named test must notice.

Each file in mutants/ is a patch to the patched kernel tree, under a header:

        What it breaks.

        Arch: x86_64 arm64
        Build: module           the window is inlined into the test: build that alone
        Killed-by: suite.case   or console, kselftest, compile.case, symbols.gadgets,
                                boot.line, or core: what the hardened kernel converts
        Config: hardened        if the test kernel does not have what it breaks
        Kernel: 6.12            if what it changes is not in all
        Scenario: begin-in-nmi  if it is not the ordinary one
        CPU: cortex-a57         if the ordinary one would not notice
        Append: rodata=on       likewise, to the kernel's command line
        Params: report=1        what the module is told

A mutant is killed if the test it names does not pass. It must have come to that
test, though: what does not build or does not boot has been killed by nobody.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import build
import check
import check_readers
import console
import scenarios
import tree
import vm
from common import ARCHES, BUILD, HERE, KERNEL, SRC, Step, choose, die, logged, object_folder, script

FOLDER = os.path.join(HERE, 'mutants')


class Mutant:
    """One patch with what its header says."""

    def __init__(self, name):
        with open(os.path.join(FOLDER, name)) as file:
            head, self.patch = file.read().split('\n---\n', 1)
        fields = dict(re.findall(
            r'^(Arch|Build|Killed-by|Config|Kernel|Scenario|CPU|Append|Params): (.*)$', head, re.M))
        self.name = name.removesuffix('.patch')
        self.what = head.split('\n')[0]
        self.arches = fields['Arch'].split()
        self.kernels = fields.get('Kernel', KERNEL).split()
        self.build = choose('Build', fields['Build'], ('module', 'kernel'))
        self.killer = fields['Killed-by']
        self.scenario = fields.get('Scenario', '')
        self.cpu = fields.get('CPU')
        self.append = fields.get('Append', '').replace('rodata=on', scenarios.NO_LINEAR_MAP)
        self.params = fields.get('Params', '')
        self.config = fields.get('Config') or ('hardened' if self.killer == 'core' else 'test')

    def module(self):
        """The one that has the test."""
        for name in ('rare_write_attack', 'rare_list_kunit', 'rare_sysctl_kunit'):
            if self.killer.startswith(name.removesuffix('_kunit')):
                return name
        return 'rare_write_kunit'

    def apply(self):
        """Change the tree; tree.apply() changes it back."""
        with tempfile.TemporaryDirectory(dir=BUILD) as stage:
            paths = re.findall(r'^\+\+\+ b/(\S+)', self.patch, re.M)
            for path in paths:
                os.makedirs(os.path.dirname(os.path.join(stage, path)), exist_ok=True)
                shutil.copy2(os.path.join(SRC, path), os.path.join(stage, path))
            run = subprocess.run(['git', 'apply', '-'], cwd=stage, input='\n' + self.patch,
                                 env={**os.environ, 'GIT_CEILING_DIRECTORIES': BUILD},
                                 capture_output=True, text=True)
            if run.returncode:
                die(f'mutants/{self.name}.patch does not apply: {run.stderr.strip()}')
            for path in paths:
                tree.put(os.path.join(stage, path), path)


def compile_it(arch, obj, mutant):
    target = ([f'mm/tests/{mutant.module()}.ko'] if mutant.build == 'module' else
              [ARCHES[arch]['target'], 'modules'])
    logged(build.make_args(arch, 'clang', obj) + target, f'mutant-{mutant.name}-{arch}.log',
           f'building mutant {mutant.name}', env=build.environment())


def run(arch, obj, mutant):
    """Boot it with the killer alone; return 'killed', 'SURVIVES' or what went wrong."""
    if mutant.killer.startswith('compile.'):
        state = check_readers.run(arch).get(mutant.killer.removeprefix('compile.'))
        return {'ok': 'SURVIVES', None: 'no such test'}.get(state, 'killed')
    if mutant.killer == 'symbols.gadgets':
        return 'SURVIVES' if check.gadgets(obj)[mutant.killer] == 'ok' else 'killed'
    name, steps, modules = f'mutant-{mutant.name}-{arch}', None, [mutant.module()]
    append = f'kunit.filter_glob={mutant.killer} {mutant.append}'
    if mutant.scenario == 'begin-in-nmi':
        append = scenarios.SCENARIOS[f'{arch}-begin-in-nmi'].append
        steps, _ = scenarios.plan(f'{arch}-begin-in-nmi')
    elif mutant.killer == 'kselftest':
        steps = ['insmod /lib/rare_write_howto.ko ', 'exec /bin/rare_write_test ']
        modules = ['rare_write_howto']
    elif mutant.killer == 'core':
        steps, modules = ['exec /bin/rare_write_core '], scenarios.CORE_MODULES
    elif mutant.killer == 'boot.line':
        append, steps, modules = 'rodata=off', ['cat /proc/cmdline '], []
    else:
        steps = [f'insmod /lib/{mutant.module()}.ko {mutant.params}']
    files = {f'/lib/{m}.ko': build.module(obj, m) for m in modules}
    files.update(check.programs(arch, obj, steps))
    boot = vm.boot(arch, obj, name, steps, files, append=append, cpu=mutant.cpu,
                   timeout=60)
    if f'init: step {steps[-1]}' not in boot.text:
        return 'did not come to the test'
    if mutant.scenario == 'begin-in-nmi':
        cases = check.judge_death(f'{arch}-begin-in-nmi', boot)
        return 'SURVIVES' if set(cases.values()) == {'ok'} else 'killed'
    if mutant.killer == 'boot.line':
        line = scenarios.BOOT_LINE['x86_64-rodata-off']
        return 'SURVIVES' if line in boot.text else 'killed'
    cases = console.results(boot.text)
    if mutant.killer in ('kselftest', 'core'):
        seen = {case: state for case, state in cases.items() if case.startswith('kselftest.')}
    else:
        # The cases of a parameterised test are named after their parameters.
        suite, case = mutant.killer.split('.')
        seen = {name: state for name, state in cases.items()
                if name == mutant.killer or name.startswith(case + '.')}
        if f'# Subtest: {suite}' not in boot.text:
            return 'did not come to the test'
    # If the machine died of it, the test has no result; and what it expects on the console,
    # and nothing else, is part of it.
    passed = seen and all(state == 'ok' for state in seen.values()) and not boot.problems()
    return 'SURVIVES' if passed else 'killed'


def main():
    arch = os.environ.get('ARCH')
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    only = os.environ.get('ONLY')
    mutants = [Mutant(name) for name in sorted(os.listdir(FOLDER)) if not only or only in name]
    mutants = [mutant for mutant in mutants
               if KERNEL in mutant.kernels and set(arches) & set(mutant.arches)]
    if not mutants:
        die(f'ONLY={only} fits no mutant')
    # What is built in full goes last: the others are inlined into a healthy kernel.
    mutants.sort(key=lambda m: (m.build == 'kernel', m.name))
    table = []
    for arch, config in ((a, c) for a in arches for c in dict.fromkeys(m.config for m in mutants)):
        these = [m for m in mutants if arch in m.arches and m.config == config]
        healthy = build.kernel(arch, config)
        obj = object_folder(arch, 'mutant')
        with Step(f'copying the objects for {arch}'):
            subprocess.check_call(['rsync', '-a', '--delete', healthy + '/', obj + '/'])
        # The original must pass each of these tests, or their failing says nothing.
        originals = {(m.killer, m.scenario, m.cpu, m.append, m.params): m for m in these}
        with Step(f'{arch}: the original'):
            for mutant in originals.values():
                state = run(arch, obj, mutant)
                table.append((arch, '-', mutant.killer,
                              'passes' if state == 'SURVIVES' else f'FAILS: {state}'))
        for mutant in these:
            with Step(f'{arch}: {mutant.name}'):
                try:
                    mutant.apply()
                    compile_it(arch, obj, mutant)
                    state = run(arch, obj, mutant)
                finally:
                    tree.apply()
            table.append((arch, mutant.name, mutant.killer, state))
    print()
    for arch, name, killer, state in table:
        print(f'{arch:7} {name:28} {killer:42} {state}')
    bad = sum(state not in ('killed', 'passes') for *_, state in table)
    print(f'{len(table) - bad} passed, {bad} failed, 0 skipped')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    script(main)
