#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make htmldocs: our pages, as the kernel's own machinery makes them.

A warning about one of our pages, or about a comment that they quote, is an error.
What it says about other pages is theirs.
"""
import glob
import os
import re
import shutil

import build
import tree
from common import BUILD, LOGS, SRC, TOP, Step, captured, die, script

OBJ = os.path.join(BUILD, 'htmldocs')
FOLDER = 'security'


def problems(output, ours):
    """The lines of Sphinx or kernel-doc that are about our files."""
    names = '|'.join(re.escape(path) for path in ours)
    # A quoted comment has its own file, but a broken title only that of the page.
    return [line for line in output.splitlines()
            if re.search(rf'(?:^|/)(?:{names})(?::|\b.*(?:WARNING|ERROR))', line)]


def pages():
    """Make them; return the paths of ours."""
    tree.prepare()
    ours = [path for path in tree.overlay_files() if path.endswith(('.rst', '.h', '.c'))]
    env = dict(build.environment(), LC_ALL='C.UTF-8')
    # Otherwise what did not change is not read, and nothing is said about it.
    shutil.rmtree(f'{OBJ}/Documentation/output', ignore_errors=True)
    os.makedirs(OBJ, exist_ok=True)
    with Step('making the pages', silent=True):
        # The pages about netlink are made in the source tree, which is to stay as it is.
        status, output = captured(['make', '-C', SRC, f'O={OBJ}', 'htmldocs', 'YNL_INDEX=',
                                   f'SPHINXDIRS={FOLDER}'], env=env)
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, 'htmldocs.log')
    with open(path, 'w') as log:
        log.write(output)
    if status:
        die(f'make htmldocs failed, see {os.path.relpath(path)}: {output.splitlines()[-1:]}')
    if said := problems(output, ours):
        die(f'{len(said)} warnings about our pages: {" / ".join(said[:5])}')
    found = []
    for page in ours:
        if page.endswith('.rst'):
            name = os.path.basename(page)[:-4]
            made = glob.glob(f'{OBJ}/Documentation/output/**/{name}.html', recursive=True)
            if not made:
                die(f'there is no page of {page}')
            found += made
    return found


def run():
    """Return {page: 'ok'}; a problem ends it."""
    return {os.path.basename(page): 'ok' for page in pages()}


def main():
    for page in pages():
        print(os.path.relpath(page, TOP))


if __name__ == '__main__':
    script(main)
