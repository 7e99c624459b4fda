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

import tree
from common import (ARCHES, BUILD, CONFIGS, HERE, SRC, TOOLCHAINS, TOP, Step, choose, die, logged,
                    object_folder)


def make_args(arch, toolchain, obj):
    """The kbuild command line up to the targets."""
    args = ['make', '-s', '-C', SRC, f'O={obj}', f'ARCH={arch}', f'-j{os.cpu_count()}']
    ccache = 'ccache ' if shutil.which('ccache') else ''
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
    for name in ('MAKEFLAGS', 'MAKELEVEL', 'ARCH', 'CONFIG', 'CC'):
        env.pop(name, None)
    # Another clone of this repository finds the same objects in the cache.
    env.update(CCACHE_BASEDIR=TOP, CCACHE_NOHASHDIR='1')
    env.update(KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970',
               KBUILD_BUILD_USER='rare_write', KBUILD_BUILD_HOST='localhost')
    return env


def wanted(fragments):
    """What the fragments ask for; a later one wins."""
    want = {}
    for fragment in fragments:
        with open(fragment) as file:
            for line in file:
                if found := re.match(r'(CONFIG_\w+)=(.*)', line):
                    want[found[1]] = found[2]
                elif found := re.match(r'# (CONFIG_\w+) is not set', line):
                    want[found[1]] = 'n'
    return want


def configure(arch, config, toolchain, obj):
    """Write .config if the fragments changed; a symbol that was dropped is an error."""
    fragments = [os.path.join(HERE, 'configs', f'{name}.config')
                 for name in ('base', arch, config)]
    want = wanted(fragments)
    stamp = os.path.join(obj, '.fragments')
    text = ''.join(f'{k}={v}\n' for k, v in sorted(want.items()))
    dotconfig = os.path.join(obj, '.config')
    if not (os.path.isfile(stamp) and os.path.isfile(dotconfig) and open(stamp).read() == text):
        os.makedirs(obj, exist_ok=True)
        allconfig = os.path.join(obj, '.allconfig')
        with open(allconfig, 'w') as file:
            file.write(text)
        logged(make_args(arch, toolchain, obj) + [f'KCONFIG_ALLCONFIG={allconfig}', 'allnoconfig'],
               f'config-{os.path.basename(obj)}.log', 'configuring', env=environment())
        have = wanted([dotconfig])
        for symbol, value in want.items():
            if have.get(symbol, 'n') != value:
                os.remove(dotconfig)
                die(f'{symbol}={value} was asked for, the kernel makes it '
                    f'{have.get(symbol, "n")} ({arch} {config})')
        with open(stamp, 'w') as file:
            file.write(text)


def fingerprint(obj):
    """Of all that a build depends on and we may change."""
    digest = hashlib.sha256()
    for path in sorted(tree.listed('overlay.list') | tree.listed('patched.list')):
        with open(os.path.join(SRC, path), 'rb') as file:
            digest.update(path.encode() + b'\0' + file.read())
    with open(os.path.join(obj, '.config'), 'rb') as file:
        digest.update(file.read())
    return digest.hexdigest()


def kernel(arch, config='test', toolchain='clang'):
    """Build a kernel with its modules; return its object folder."""
    choose('ARCH', arch, ARCHES)
    choose('CONFIG', config, CONFIGS)
    choose('TOOLCHAIN', toolchain, TOOLCHAINS)
    tree.prepare()
    obj = object_folder(arch, config, toolchain)
    configure(arch, config, toolchain, obj)
    stamp = os.path.join(obj, '.built')
    now = fingerprint(obj)
    if os.path.isfile(stamp) and open(stamp).read() == now:
        return obj
    if os.path.isfile(stamp):
        os.remove(stamp)
    with Step(f'building the {config} kernel for {arch} with {toolchain}'):
        logged(make_args(arch, toolchain, obj) + [ARCHES[arch]['target'], 'modules'],
               f'build-{os.path.basename(obj)}.log', 'the build', env=environment())
    with open(stamp, 'w') as file:
        file.write(now)
    return obj


def module(obj, name):
    """The path of a module that the build made, or None."""
    for path in glob.glob(f'{obj}/**/{name}.ko', recursive=True):
        return path
    return None


def program(arch, source):
    """A static program for the guest, with the kernel's nolibc."""
    binary = os.path.join(BUILD, f'{arch}-programs', os.path.basename(source)[:-2])
    os.makedirs(os.path.dirname(binary), exist_ok=True)
    nolibc = os.path.join(SRC, 'tools/include/nolibc/nolibc.h')
    logged(['clang-19', f'--target={ARCHES[arch]["triple"]}', '-fuse-ld=lld', '-static',
            '-nostdlib', '-ffreestanding', '-Os', '-Wall', '-fno-stack-protector', '-include', nolibc,
            '-o', binary, source],
           f'{os.path.basename(binary)}-{arch}.log', f'compiling {os.path.basename(source)}')
    return binary


def initramfs(obj, path, files):
    """Pack files {name in the guest: path here} with the kernel's gen_init_cpio: no root."""
    gen = os.path.join(obj, 'usr', 'gen_init_cpio')
    lines = ['dir /dev 0755 0 0', 'nod /dev/console 0600 0 0 c 5 1']
    lines += [f'dir {d} 0755 0 0' for d in ('/proc', '/sys', '/bin', '/lib')]
    lines += [f'file {name} {file} 0755 0 0' for name, file in sorted(files.items())]
    spec = path + '.list'
    with open(spec, 'w') as file:
        file.write('\n'.join(lines) + '\n')
    with open(path, 'wb') as out:
        if subprocess.call([gen, '-t', '0', spec], stdout=out):
            die(f'gen_init_cpio failed on {spec}')


if __name__ == '__main__':
    kernel(*sys.argv[1:])
