# SPDX-License-Identifier: GPL-2.0-only
"""A deliberately broken variant: a patch to the patched kernel tree, under a header:

        What it breaks.

        Arch: x86_64 arm64
        Build: module           the window is inlined into the test: build that alone
        Killed-by: suite.case   or console, kselftest, compile.clang.case, symbols.gadgets,
                                boot.line, soak; unloaded: the parameter of the attacks;
                                starve, starve-module, core: the selftests
                                rare_write_starve, with a CPU or with a module, and
                                rare_write_core. Several: each must notice
        Case: it does this      what the selftest says of the part that must notice
        Hangs: yes              not to come to an end in the test is to notice
        Config: hardened        if the test kernel does not have what it breaks
        Kernel: 6.12            if what it changes is not in all
        Scenario: begin-in-nmi  a boot that must end in a panic, and not the ordinary one
        CPU: cortex-a57         if the ordinary one would not notice
        Append: rodata=on       likewise, to the kernel's command line; rodata=noalias on 7.3
        Params: report=1        what the module is told

Of each case of the suites at least one must show that it can fail.
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile

import scenarios
import tree
from common import BUILD, HERE, KERNEL, SRC, TOP, choose, die

FOLDER = os.path.join(HERE, 'mutants')
SELFTESTS = ('kselftest', 'core', 'starve', 'starve-module')
# What no mutant shows to be able to fail, and why.
UNBROKEN = {
    'rare_write_protect.memory_per_cpu': 'a figure, not a promise',
    'rare_write_attack.published_in_order': 'no emulator here reorders stores; a release that is '
                                            'none is told by its instructions',
}


class Mutant:
    """One patch with what its header says."""

    def __init__(self, name):
        self.path = os.path.join(FOLDER, name)
        with open(self.path) as file:
            head, self.patch = file.read().split('\n---\n', 1)
        fields = dict(re.findall(
            r'^(Arch|Build|Killed-by|Case|Hangs|Config|Kernel|Scenario|CPU|Append|Params): (.*)$',
            head, re.M))
        self.name = name.removesuffix('.patch')
        self.what = head.partition('\n\n')[0].replace('\n', ' ')
        self.arches = fields['Arch'].split()
        self.kernels = fields.get('Kernel', KERNEL).split()
        self.build = choose('Build', fields['Build'], ('module', 'kernel'))
        self.killers = fields['Killed-by'].split()
        self.hangs = fields.get('Hangs') == 'yes'
        self.case = fields.get('Case', '')
        if bool(self.case) != bool(set(self.killers) & set(SELFTESTS)):
            die(f'mutants/{name}: Case is for {", ".join(SELFTESTS)}, which have to have it')
        self.scenario = fields.get('Scenario', '')
        self.cpu = fields.get('CPU')
        self.append = fields.get('Append', '').replace('rodata=on', scenarios.NO_LINEAR_MAP)
        self.params = fields.get('Params', '')
        self.config = fields.get('Config') or ('hardened' if 'core' in self.killers else 'test')

    @contextlib.contextmanager
    def staged(self):
        """The files that it changes, changed, in a folder of their own: (that, their paths)."""
        with tempfile.TemporaryDirectory(dir=BUILD) as stage:
            paths = re.findall(r'^\+\+\+ b/(\S+)', self.patch, re.M)
            for path in paths:
                if not os.path.isfile(os.path.join(SRC, path)):
                    die(f'mutants/{self.name}.patch changes {path}, which is not there')
                os.makedirs(os.path.dirname(os.path.join(stage, path)), exist_ok=True)
                shutil.copy2(os.path.join(SRC, path), os.path.join(stage, path))
            run = subprocess.run(['git', 'apply', '-'], cwd=stage, input='\n' + self.patch,
                                 env={**os.environ, 'GIT_CEILING_DIRECTORIES': BUILD},
                                 capture_output=True, text=True)
            if run.returncode:
                die(f'mutants/{self.name}.patch does not apply: {run.stderr.strip()}')
            yield stage, paths

    def apply(self):
        """Change the tree; tree.apply() changes it back."""
        with self.staged() as (stage, paths):
            for path in paths:
                tree.put(os.path.join(stage, path), path)


def module(killer):
    """The one that has the test."""
    if killer == 'soak':
        return 'rare_write_soak'
    for name in ('rare_write_attack', 'rare_list_kunit', 'rare_sysctl_kunit'):
        if killer.startswith(name.removesuffix('_kunit')):
            return name
    return 'rare_write_kunit'


def every():
    """All that are for this kernel."""
    mutants = [Mutant(name) for name in sorted(os.listdir(FOLDER))]
    return [mutant for mutant in mutants if KERNEL in mutant.kernels]


def suites():
    """The cases of our suites: {file: ['suite.case']}."""
    found = {}
    for path in sorted(glob.glob('mm/tests/*.c', root_dir=TOP)):
        with open(os.path.join(TOP, path)) as file:
            text = file.read()
        arrays = dict(re.findall(r'^static struct kunit_case (\w+)\[\] = \{(.*?)^\};', text,
                                 re.M | re.S))
        for name, array in re.findall(
                r'^static struct kunit_suite \w+ = \{\n\t\.name = "(\w+)",.*?\.test_cases = (\w+),',
                text, re.M | re.S):
            found.setdefault(path, []).extend(
                f'{name}.{case}' for case in re.findall(r'\bKUNIT_CASE\w*\((\w+)', arrays[array]))
    return found


def unbroken(suites, mutants):
    """What is not as it should be of what is said of cases, here and in mutants: (file, what)."""
    killers = {killer for one in mutants for killer in one.killers}
    unknown = set(UNBROKEN)
    for path, cases in suites.items():
        unknown -= set(cases)
        for case in cases:
            if (case in killers) == (case in UNBROKEN):
                yield path, f'{case}: ' + ('a mutant has it fail, and it is in UNBROKEN'
                                           if case in killers else
                                           'no mutant shows that it can fail')
    for case in sorted(unknown):
        yield os.path.relpath(__file__, TOP), f'{case} is in UNBROKEN, and in no suite'
