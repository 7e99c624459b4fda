# SPDX-License-Identifier: GPL-2.0-only
"""Our files in other configurations than those that boot: with nothing, with everything, random.

Of each configuration only those objects are compiled, with W=1, that are made of a C file
which the series adds or touches, or which names what becomes write-rare, and each of our
headers in include/linux on its own.
"""
import functools
import glob
import os
import re
import shutil
import subprocess
from typing import NamedTuple

import build
import tree
from common import ARCHES, HERE, SRC, captured, locked, object_folder

# What is not left to chance, and why.
PINNED = {
    # W=1 says much about the kernel, none of which is to end the build.
    'CONFIG_WERROR': 'n',
    # Where it is set, there is nothing of ours.
    'CONFIG_XEN_PV': 'n',
    # What not every machine has what it takes to build: OpenSSL's headers, rustc, pahole.
    'CONFIG_MODULE_SIG': 'n', 'CONFIG_IMA_APPRAISE_MODSIG': 'n', 'CONFIG_RUST': 'n',
    # It takes time and changes nothing that the compiler says.
    'CONFIG_DEBUG_INFO_NONE': 'y',
}


class Config(NamedTuple):
    """How a configuration is made, and of how many of our files it has at least objects."""
    target: str
    pinned: dict
    least: int
    seed: int = 0


def switches(feature, modules):
    return {'CONFIG_RARE_WRITE': feature, 'CONFIG_MODULES': modules}


# A seed gives the same again as long as the Kconfig files are the same. What must be among
# the random ones, the feature, what it converts, and modules, is asked for, and must then be
# there.
CASES = {
    'allnoconfig': Config('allnoconfig', switches('n', 'n'), 20),
    'allnoconfig-rare_write': Config(
        'allnoconfig', {**switches('y', 'n'), 'CONFIG_RARE_WRITE_CORE': 'y'}, 20),
    'allmodconfig': Config('allmodconfig', switches('y', 'y'), 90),
    'random-1': Config('randconfig', {**switches('y', 'y'), 'CONFIG_RARE_WRITE_CORE': 'y'}, 25, 1),
    'random-2': Config('randconfig', switches('n', 'y'), 25, 2),
    'random-3': Config('randconfig', {**switches('y', 'n'), 'CONFIG_RARE_WRITE_CORE': 'n'}, 25, 3),
    'random-4': Config('randconfig', switches('n', 'n'), 25, 4),
}
# What the compiler says, with the lines that belong to it, or objtool about an object.
HEAD = r'(\S+?)(?::\d+)*: (?:fatal )?(warning|error): '
REMARK = re.compile(rf'^{HEAD}.*\n(?:(?!{HEAD}|In file included ).*\n)*', re.M)
# What shows that a remark is about something of ours, in whatever file.
NAME = re.compile(r'\b(?:__)?(?:wr_)?rare_', re.I)
# What the compiler says. Of the files that we touch W=1 says in pristine Linux just this, of arm64's
# traps.c (clang, gcc) and of vsprintf.c (gcc), and what kernel-doc says, which has no such mark.
COMPILER = re.compile(r'\[-W(?!initializer-overrides|override-init|suggest-attribute=format)')


def remark(output, ours, touched):
    """The first error, or else the first warning about what is ours, or None.

    That is one in a file of ours, one that shows a name of ours, as for a macro, or one of
    the compiler in a file that we touch.
    """
    # Where the tree is does not matter, and may have such a name, too.
    output = re.sub(rf'\S*/{re.escape(os.path.basename(SRC))}/', '', output)
    found = list(REMARK.finditer(f'{output}\n'))
    errors = [part for part in found if part[2] == 'error']
    for part in errors or found:
        path = re.sub(r'\.o$', '.c', part[1])
        if (errors or path in ours or NAME.search(part[0]) or
                path in touched and COMPILER.search(part[0])):
            return part[0].splitlines()[0]
    return None


def judge(status, output, ours=(), touched=()):
    """'ok' or 'failed: ...' for what make ended with and said."""
    wrong = remark(output, ours, touched)
    if status and not wrong:
        # Of make itself, say.
        wrong = (output.strip().splitlines() or [f'status {status}'])[-1]
    return f'failed: {wrong}' if wrong else 'ok'


def configure(arch, obj, config):
    """Make .config; return what went wrong, or None."""
    want = {**PINNED, **config.pinned}
    status, output = captured(
        [*build.make_args(arch, 'clang', obj), build.ask(want, obj),
         f'KCONFIG_SEED={config.seed}', config.target], env=build.environment())
    if status:
        return f'failed: {output[-200:]}'
    if found := re.search(r'unmet direct dependencies detected for \w*RARE_\w*', output):
        return f'failed: {found[0]}'
    have = build.wanted([os.path.join(obj, '.config')])
    wrong = [f'{name}={value}' for name, value in config.pinned.items()
             if have.get(name, 'n') != value]
    return f'failed: {" ".join(wrong)} was asked for and is not so' if wrong else None


def listing(arch, obj, folder, src):
    """What this configuration has made in a folder: objects, and folders with a slash."""
    # What the Makefile at the top tells the others, as far as they make something of it.
    where = {'srctree': src, 'SRCARCH': ARCHES[arch]['source'], 'ARCH': arch, 'BITS': '64',
             'ARCH_LIB': 'lib/', 'obj': folder}
    out = subprocess.check_output(
        ['make', '-srR', '-f', os.path.join(HERE, 'enabled.mk'),
         *(f'{name}={value}' for name, value in where.items())],
        cwd=obj, env=build.environment(), stderr=subprocess.DEVNULL, text=True)
    return {os.path.normpath(name) + '/' * name.endswith('/') for name in out.split()}


def enabled(arch, obj, wanted, src=SRC):
    """Those of the wanted objects that this configuration has."""
    found, todo = set(), ['.']
    while todo:
        for name in listing(arch, obj, todo.pop(), src):
            if name in wanted:
                found.add(name)
            elif name.endswith('/') and any(path.startswith(name) for path in wanted):
                todo.append(name.rstrip('/'))
    return sorted(found)


def objects():
    """What may be made of the C files that the series adds or touches."""
    return {f'{path[:-2]}.o' for path in tree.listed('overlay.list') | tree.listed('patched.list')
            if path.endswith('.c')}


@functools.cache
def declared():
    """The write-rare objects that a header declares: other files than theirs can name them."""
    names = set()
    for path in tree.listed('overlay.list') | tree.listed('patched.list'):
        if path.endswith('.h') and not path.startswith('tools/'):
            with open(os.path.join(SRC, path)) as file:
                names.update(re.findall(
                    r'^extern\b[^;]*__wr_rare_type\b[^;]*?(\w+)(?:\[[^;\]]*\])*;', file.read(), re.M))
    return names


@functools.cache
def users():
    """The C files of the kernel that name one of these, and are no file that we touch."""
    found = subprocess.check_output(
        ['grep', '-rlwE', '--include=*.c', '|'.join(declared()), *(
            f'arch/{facts["source"]}' for facts in ARCHES.values()), 'block', 'crypto', 'drivers',
         'fs', 'init', 'io_uring', 'ipc', 'kernel', 'lib', 'mm', 'net', 'security'],
        cwd=SRC, text=True).split()
    return set(found) - tree.listed('overlay.list') - tree.listed('patched.list')


def headers(folder):
    """Write C files with each of our headers alone, also switched off; return the objects."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    names = []
    for path in sorted(glob.glob('linux/rare_*.h', root_dir=os.path.join(SRC, 'include'))):
        for switch in ('', '#define RARE_WRITE_SWITCH CONFIG_RARE_WRITE_NOT_HERE\n'):
            names.append(f'{os.path.basename(path)[:-2]}{"_off" if switch else ""}.o')
            with open(os.path.join(folder, names[-1][:-2] + '.c'), 'w') as file:
                file.write(f'{switch}#include <{path}>\n')
    with open(os.path.join(folder, 'Kbuild'), 'w') as file:
        file.write(f'obj-y := {" ".join(names)}\n')
    return names


def compiled_anew(args, obj, wanted):
    """Compile these objects with W=1: (status, output). Of none make would take all for it."""
    for path in wanted:
        # What is up to date is not compiled, and nothing is said about it.
        if os.path.isfile(os.path.join(obj, path)):
            os.remove(os.path.join(obj, path))
    if not wanted:
        return 0, ''
    return captured([*args, '-Otarget', 'W=1', '-k', *wanted], env=build.environment())


def compiled(arch, obj, config):
    """Configure and compile: 'ok' or 'failed: ...'."""
    if wrong := configure(arch, obj, config):
        return wrong
    args = build.make_args(arch, 'clang', obj)
    status, output = captured([*args, '-Otarget', 'W=1', 'prepare'], env=build.environment())
    if status:
        return judge(status, output)
    wanted = enabled(arch, obj, objects())
    if len(wanted) < config.least:
        return f'failed: it has {len(wanted)} of our objects, and should have {config.least}'
    wanted += enabled(arch, obj, {f'{path[:-2]}.o' for path in users()})
    folder = os.path.join(obj, 'rare_headers')
    for where, more, names in ((obj, (), wanted), (folder, (f'M={folder}',), headers(folder))):
        state = judge(*compiled_anew([*args, *more], where, names),
                      tree.listed('overlay.list'), tree.listed('patched.list'))
        lost = [name for name in names if not os.path.isfile(os.path.join(where, name))]
        if state != 'ok' or lost:
            return state if state != 'ok' else f'failed: not made: {" ".join(lost)}'
    return 'ok'


def run(arch, whole):
    """Return {case: 'ok' or 'failed...'}, without whole of the least configurations alone."""
    obj = object_folder(arch, 'configs')
    # One folder, or objtool would be built anew each time.
    with locked(os.path.basename(obj)):
        return {name: compiled(arch, obj, config) for name, config in CASES.items()
                if whole or config.target == 'allnoconfig'}
