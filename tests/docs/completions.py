#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Completions of bash are asked what they offer, those of zsh are read; both must be what the programs
take. Prints TAP.

usage: completions.py SOURCE-ROOT BUILD-ROOT
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP, BUILD = sys.argv[1:3]
FILES = os.path.join(TOP, 'completions')
QDAD = os.path.join(BUILD, 'daemon', 'qdad')
QDACTL = os.path.join(BUILD, 'client', 'qdactl')
SCRATCH = tempfile.mkdtemp(prefix='qda-completions.')
# The program that is completed is the one that the completion asks for domains.
ENV = {**os.environ, 'QDAD_SOCKET': SCRATCH + '/none', 'XDG_RUNTIME_DIR': SCRATCH,
       'XDG_CONFIG_HOME': SCRATCH, 'PATH': BUILD + '/client:' + os.environ['PATH']}
COMMON = {'--json', '--socket', '--help'}
ASK = '''
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
spec=$(complete -p "$1"); function=${spec##*-F }; ${function%% *}
printf '%s\\n' "${COMPREPLY[@]}"
'''


def run(*words):
    return subprocess.run(words, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def offered(*words, before=()):
    """What bash offers for the last word."""
    said = run(*before, 'bash', '-c', ASK, 'bash', f'{FILES}/{words[0]}.bash', *words)
    return set(said.stdout.split()) | {f'bash: {x}' for x in said.stderr.splitlines()}


def options(text):
    return set(re.findall(r'(?<!qdad )(--[a-z][a-z-]*)', text))


def verbs():
    head = run(QDACTL, '--help').stdout.split('Options of every verb')[0]
    return set(re.findall(r'^  ([a-z]+) ', head, re.M))


def options_of_verb(verb):
    return options(run(QDACTL, verb, '--help').stdout) | COMMON


def differ(what, of_program, of_completion):
    return ([f'{what}: {x} is not offered' for x in sorted(of_program - of_completion)] +
            [f'{what}: {x} is offered only' for x in sorted(of_completion - of_program)])


def bash_qdad():
    return differ('qdad', options(run(QDAD, '--help').stdout), offered('qdad', ''))


def bash_verbs():
    return (differ('qdactl', verbs(), offered('qdactl', '')) +
            differ('qdactl --json', verbs(), offered('qdactl', '--json', '')) +
            differ('qdactl', COMMON | {'--version'}, offered('qdactl', '--')))


def bash_options():
    wrong = []
    for verb in sorted(verbs()):
        wrong += differ(verb, options_of_verb(verb), offered('qdactl', verb, '--'))
    return wrong


def bash_values():
    sort = set(re.search(r'--sort KEY +(.*)', run(QDACTL, 'top', '--help').stdout)[1]
               .replace(' (default)', '').split(', '))
    return (differ('--sort', sort, offered('qdactl', 'top', '--sort', '')) +
            differ('--kind', {'unsigned', 'privileged'},
                   offered('qdactl', 'policy', 'check', '--kind', '')) +
            differ('kill', {'client', 'session'}, offered('qdactl', 'kill', '')) +
            differ('--kind p', {'privileged'}, offered('qdactl', 'policy', 'check', '--kind', 'p')))


def bash_asks_broker():
    """Domains are those of a broker; without one there are none, and nothing is said."""
    broker = (QDACTL, 'run', '--')
    return (differ('--domain', {'cdsp'}, offered('qdactl', 'invoke', '--domain', '', before=broker)) +
            differ('kill client', {'1'}, offered('qdactl', 'kill', 'client', '', before=broker)) +
            differ('--domain', set(), offered('qdactl', 'invoke', '--domain', '')))


def zsh_parses():
    return [line for name in ('_qdad', '_qdactl')
            for line in run('zsh', '-n', f'{FILES}/{name}').stderr.splitlines()]


def zsh_options():
    with open(f'{FILES}/_qdad', encoding='utf-8') as file:
        wrong = differ('qdad', options(run(QDAD, '--help').stdout), options(file.read()))
    with open(f'{FILES}/_qdactl', encoding='utf-8') as file:
        text = file.read()
    wrong += differ('qdactl', verbs(), set(re.findall(r"^\t\t'([a-z]+):", text, re.M)))
    cases = dict(re.findall(r'^\t([a-z]+)\)\n(.*?)^\t\t;;', text, re.M | re.S))
    for verb in sorted(verbs()):
        lines = re.sub(r'\[[^]]*\]', '', cases.get(verb, ''))
        wrong += differ(verb, options_of_verb(verb) - COMMON, options(lines))
    return wrong


TESTS = [
    (bash_qdad, 'bash offers the options of qdad', 'bash'),
    (bash_verbs, 'bash offers the verbs of qdactl', 'bash'),
    (bash_options, 'bash offers the options of each verb', 'bash'),
    (bash_values, 'bash offers what options take', 'bash'),
    (bash_asks_broker, 'bash offers the domains and clients of the broker', 'bash'),
    (zsh_parses, 'zsh can read its completions', 'zsh'),
    (zsh_options, 'the completions of zsh have the verbs and options of the programs', None),
]


def main():
    print(f'1..{len(TESTS)}')
    for number, (test, what, program) in enumerate(TESTS, 1):
        if program and not shutil.which(program):
            print(f'ok {number} - {what} # SKIP {program} is not installed')
            continue
        wrong = test()
        for line in wrong:
            print('#', line)
        print('not ok' if wrong else 'ok', number, '-', what, flush=True)
    shutil.rmtree(SCRATCH)


main()
