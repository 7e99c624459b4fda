#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Configure and build a test kernel, its modules and its initramfs."""
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading

import tree
from common import (ARCHES, BUILD, CONFIGS, HERE, KERNEL, NEAR, SRC, TOOLCHAINS, TOP, Step, choose,
                    die, locked, logged, object_folder, script, write_whole)

# Several machines may be made ready at once.
LOCK = threading.Lock()


def make_args(arch, toolchain, obj, src=SRC):
    """The kbuild command line up to the targets."""
    args = ['make', '-s', '-C', src, f'O={obj}', f'ARCH={arch}', f'-j{os.cpu_count()}']
    ccache = f'{HERE}/ccache.sh ' if shutil.which('ccache') else ''
    if toolchain == 'clang':
        args += ['LLVM=-19', f'CC={ccache}clang-19']
    else:
        cross = ARCHES[arch]['cross']
        if not shutil.which(f'{cross}gcc'):
            die(f'TOOLCHAIN=gcc needs {cross}gcc; as root: '
                f'apt-get install gcc{"-" + cross.rstrip("-") if cross else ""}')
        args += [f'CROSS_COMPILE={cross}', f'CC={ccache}{cross}gcc']
    return args


def environment():
    """Fixed names and dates: the same input gives the same image, and ccache hits."""
    env = dict(os.environ)
    for name in ('MAKEFLAGS', 'MAKELEVEL', 'ARCH', 'CONFIG', 'TOOLCHAIN', 'CC'):
        env.pop(name, None)
    # Another clone of this repository finds the same objects in the cache. What is not there
    # is compiled at once: to preprocess it first would cost a sixth more of all the time.
    env.update(CCACHE_BASEDIR=TOP, CCACHE_NOHASHDIR='1', CCACHE_DEPEND='1')
    env.update(KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970',
               KBUILD_BUILD_USER='rare_write', KBUILD_BUILD_HOST='localhost')
    return env


def wanted(paths):
    """What configuration files ask for; a later one wins."""
    want = {}
    for path in paths:
        with open(path) as file:
            for line in file:
                if found := re.match(r'(CONFIG_\w+)=(.*)', line):
                    want[found[1]] = found[2]
                elif found := re.match(r'# (CONFIG_\w+) is not set', line):
                    want[found[1]] = 'n'
    return want


def layers(arch, names):
    """The files of these layers, a later one wins: of each the kernel's own, and ours for all,
    for this architecture, and for this version of the kernel."""
    for layer in names:
        for path in (os.path.join(SRC, 'kernel/configs', f'{layer}.config'),
                     os.path.join(SRC, 'arch', ARCHES[arch]['source'], 'configs', f'{layer}.config'),
                     os.path.join(HERE, 'configs', f'{layer}.config'),
                     os.path.join(HERE, 'configs', f'{layer}-{arch}.config'),
                     os.path.join(HERE, 'configs', f'{layer}-{KERNEL}.config')):
            if os.path.isfile(path):
                yield path


def fragments(arch, config):
    """What makes up a configuration."""
    return layers(arch, ('base', arch, *CONFIGS[config]))


def lacking(want, obj):
    """What was asked for and is not so: {symbol: what it is}."""
    have = wanted([os.path.join(obj, '.config')])
    return {symbol: have.get(symbol, 'n') for symbol, value in want.items()
            if have.get(symbol, 'n') != value}


def asked(want):
    """What is wanted, as kconfig reads it."""
    return ''.join(f'{symbol}={value}\n' for symbol, value in sorted(want.items()))


def ask(want, obj):
    """Write down what is wanted of a configuration; return what tells kbuild of it."""
    os.makedirs(obj, exist_ok=True)
    path = os.path.join(obj, '.allconfig')
    write_whole(path, asked(want))
    return f'KCONFIG_ALLCONFIG={path}'


def configure(arch, config, toolchain, obj):
    """Bring .config up to date; a symbol that was asked for and dropped is an error."""
    want = wanted(fragments(arch, config))
    stamp = os.path.join(obj, '.fragments')
    text = asked(want)
    dotconfig = os.path.join(obj, '.config')
    log = f'config-{os.path.basename(obj)}.log'
    args = make_args(arch, toolchain, obj)
    if os.path.isfile(stamp) and os.path.isfile(dotconfig) and open(stamp).read() == text:
        if is_current(obj, '.built', '.prepared'):
            return
        # The Kconfig files may have changed.
        logged(args + ['olddefconfig'], log, 'configuring', env=environment())
    else:
        logged(args + [ask(want, obj), 'allnoconfig'], log, 'configuring', env=environment())
    for symbol, value in lacking(want, obj).items():
        os.remove(dotconfig)
        die(f'{symbol}={want[symbol]} was asked for, the kernel makes it {value} ({arch} {config})')
    write_whole(stamp, text)


def fingerprint(obj):
    """Of all that a build depends on and we may change."""
    digest = hashlib.sha256()
    for path in sorted(tree.listed('overlay.list') | tree.listed('patched.list')):
        with open(os.path.join(SRC, path), 'rb') as file:
            digest.update(path.encode() + b'\0' + file.read())
    with open(os.path.join(obj, '.config'), 'rb') as file:
        digest.update(file.read())
    return digest.hexdigest()


def is_current(obj, *stamps):
    """Was all this done with what is there now?"""
    found = [stamp for stamp in stamps if os.path.isfile(os.path.join(obj, stamp))]
    now = fingerprint(obj) if found else ''
    return any(open(os.path.join(obj, stamp)).read() == now for stamp in found)


def seed(arch, config, toolchain, obj):
    """Start from a kernel that differs in little: kbuild knows what depends on the difference."""
    near = object_folder(arch, NEAR[config], toolchain)
    if os.path.exists(obj) or not is_current(near, '.built'):
        return
    tmp = f'{obj}.tmp'
    shutil.rmtree(tmp, ignore_errors=True)
    # With the times of the files, or all would be made again.
    logged(['cp', '-a', '--reflink=auto', near, tmp], f'seed-{os.path.basename(obj)}.log', 'cp')
    os.remove(os.path.join(tmp, '.built'))
    # objtool's build alone knows its folder. If it were made anew, so were all objects.
    for path in glob.glob(f'{tmp}/tools/**/.*.cmd', recursive=True):
        with open(path) as file:
            text = file.read()
        when = os.stat(path).st_mtime_ns
        write_whole(path, text.replace(near + '/', obj + '/'))
        os.utime(path, ns=(when, when))
    os.rename(tmp, obj)


def kernel(arch, config='test', toolchain='clang'):
    """Build a kernel with its modules; return its object folder."""
    choose('ARCH', arch, ARCHES)
    choose('CONFIG', config, CONFIGS)
    choose('TOOLCHAIN', toolchain, TOOLCHAINS)
    tree.prepare()
    obj = object_folder(arch, config, toolchain)
    if config in NEAR:
        seed(arch, config, toolchain, obj)
    configure(arch, config, toolchain, obj)
    if is_current(obj, '.built'):
        return obj
    stamp = os.path.join(obj, '.built')
    if os.path.isfile(stamp):
        os.remove(stamp)
    now = fingerprint(obj)
    with Step(f'building the {config} kernel for {arch} with {toolchain}'):
        logged(make_args(arch, toolchain, obj) + [ARCHES[arch]['target'], 'modules'],
               f'build-{os.path.basename(obj)}.log', 'the build', env=environment())
    write_whole(stamp, now)
    return obj


def headers(arch, config, toolchain):
    """An object folder good enough to compile modules in: a kernel, or just its headers."""
    tree.prepare()
    obj = object_folder(arch, config, toolchain)
    # Several tables of make check compile modules in the same folder.
    with locked(os.path.basename(obj)):
        configure(arch, config, toolchain, obj)
        if is_current(obj, '.built', '.prepared'):
            return obj
        now = fingerprint(obj)
        with Step(f'preparing headers of the {config} kernel for {arch} with {toolchain}',
                  silent=True):
            logged(make_args(arch, toolchain, obj) + ['modules_prepare'],
                   f'prepare-{os.path.basename(obj)}.log', 'modules_prepare', env=environment())
        write_whole(os.path.join(obj, '.prepared'), now)
    return obj


def module(obj, name):
    """The path of a module that the build made, or None."""
    for path in glob.glob(f'{obj}/**/{name}.ko', recursive=True):
        return path
    return None


def user_headers(arch, obj, src=SRC):
    """The kernel's headers for programs: the machine has none for another architecture."""
    include = os.path.join(obj, 'usr', 'include')
    done = os.path.join(include, '.complete')
    if not os.path.isfile(done):
        logged(make_args(arch, 'clang', obj, src) + ['headers'], f'headers-{arch}.log', 'make headers',
               env=environment())
        write_whole(done, '')
    return include


def program(arch, obj, source):
    """A static program for the guest, with the kernel's nolibc and its own user headers."""
    binary = os.path.join(BUILD, f'{arch}-programs', os.path.basename(source)[:-2])
    os.makedirs(os.path.dirname(binary), exist_ok=True)
    nolibc = os.path.join(SRC, 'tools/include/nolibc/nolibc.h')
    with LOCK, locked('programs'):
        logged(['clang-19', f'--target={ARCHES[arch]["triple"]}', '-fuse-ld=lld', '-static',
                '-nostdlib', '-nostdlibinc', '-isystem', user_headers(arch, obj), '-ffreestanding',
                '-Os', '-Wall', '-fno-stack-protector', '-include', nolibc,
                '-o', binary + '.tmp', source],
               f'{os.path.basename(binary)}-{arch}.log', f'compiling {os.path.basename(source)}')
        # Another machine may be packing it.
        os.rename(binary + '.tmp', binary)
    return binary


def initramfs(obj, path, files, root=()):
    """Pack files {name in the guest: path here} with the kernel's gen_init_cpio: no root.

    They come behind what the lines of root tell it: of two files the kernel keeps the last.
    """
    gen = os.path.join(obj, 'usr', 'gen_init_cpio')
    lines = [*root, 'dir /dev 0755 0 0', 'nod /dev/console 0600 0 0 c 5 1']
    lines += [f'dir {d} 0755 0 0' for d in ('/proc', '/sys', '/bin', '/lib', '/tmp')]
    lines += [f'file {name} {file} 0755 0 0' for name, file in sorted(files.items())]
    spec = path + '.list'
    with open(spec, 'w') as file:
        file.write('\n'.join(lines) + '\n')
    with open(path, 'wb') as out:
        if subprocess.call([gen, '-t', '0', spec], stdout=out):
            die(f'gen_init_cpio failed on {spec}')


def main():
    kernel(*sys.argv[1:])


if __name__ == '__main__':
    script(main)
