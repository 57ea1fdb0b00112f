#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Compares the manual pages with the programs: what one has, the other must have. Prints TAP.

usage: manuals.py SOURCE-ROOT BUILD-ROOT COMPILER...
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

TOP, BUILD, COMPILER = sys.argv[1], sys.argv[2], sys.argv[3:]
PAGES = os.path.join(TOP, 'docs', 'man')
QDAD = os.path.join(BUILD, 'daemon', 'qdad')
QDACTL = os.path.join(BUILD, 'client', 'qdactl')
SOFTDSP = os.path.join(BUILD, 'driver', 'softdsp', 'qda-softdsp')
SCRATCH = tempfile.mkdtemp(prefix='qda-manuals.')
# No broker is asked for anything here, and no configuration of the user's is read.
ENV = {**os.environ, 'QDAD_SOCKET': SCRATCH + '/none', 'XDG_CONFIG_HOME': SCRATCH,
       'XDG_RUNTIME_DIR': SCRATCH, 'LC_ALL': 'C'}
COMMON = {'json', 'socket', 'help', 'version'}   # of every verb of qdactl


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as file:
        return file.read()


def run(*words):
    return subprocess.run(words, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False)


def differ(what, of_program, of_page):
    """Complaints about two sets that ought to be the same."""
    return ([f'{what}: {x} is not in the page' for x in sorted(of_program - of_page)] +
            [f'{what}: {x} is only in the page' for x in sorted(of_page - of_program)])


def subsections(text):
    """The parts of a page by their .Ss or .Sh; before the first: ''."""
    parts, name = {'': []}, ''
    for line in text.splitlines():
        found = re.match(r'\.S[sh] (.*)', line)
        if found:
            name = found[1].replace('\\&', '').replace('"', '')
        parts.setdefault(name, []).append(line)
    return {name: '\n'.join(lines) + '\n' for name, lines in parts.items()}


def options_of_page(text):
    return set(re.findall(r'\bFl -([a-z][a-z-]*)', text))


def options_of_help(text):
    """Those of qdad itself are none of qdactl's, which mentions them."""
    return set(re.findall(r'(?<!qdad )--([a-z][a-z-]*)', text))


def unknown(command, options):
    """Those that the program does not take. What stands behind has it end at once."""
    return {x for x in options
            if f"unrecognized option '--{x}'" in run(*command, '--' + x, '--none', '--none').stderr}


# --- the tests: each returns complaints ---

def options_of_qdad():
    page = options_of_page(read(PAGES, 'qdad.8'))
    return (differ('qdad', options_of_help(run(QDAD, '--help').stdout), page) +
            [f'qdad does not take --{x}' for x in unknown([QDAD], page)])


def options_of_softdsp():
    page = options_of_page(read(PAGES, 'qda-softdsp.8'))
    return (differ('qda-softdsp', options_of_help(run(SOFTDSP, '--help').stdout), page) +
            [f'qda-softdsp does not take --{x}' for x in unknown([SOFTDSP], page)])


def verbs():
    head = run(QDACTL, '--help').stdout.split('Options of every verb')[0]
    return set(re.findall(r'^  ([a-z]+) ', head, re.M))


def verbs_of_qdactl():
    parts = set(subsections(read(PAGES, 'qdactl.1')))
    return differ('qdactl', verbs(), {x for x in parts if x and x == x.lower()})


def options_of_verbs():
    parts, wrong = subsections(read(PAGES, 'qdactl.1')), []
    for verb in sorted(verbs()):
        said = run(QDACTL, verb, '--help').stdout
        page = options_of_page(parts.get(verb, ''))
        wrong += differ(f'qdactl {verb}', options_of_help(said) - COMMON, page - COMMON)
        wrong += [f'qdactl {verb} does not take --{x}' for x in unknown([QDACTL, verb], page)]
        short = set(re.findall(r'^  -([a-z]), --', said, re.M))
        wrong += differ(f'qdactl {verb}, in one letter', short,
                        set(re.findall(r'^\.It Fl ([a-z]) ,', parts.get(verb, ''), re.M)))
    common = run(QDACTL, '--help').stdout.split('Options of every verb')[1]
    wrong += differ('qdactl', options_of_help(common) | {'version'},
                    options_of_page(parts['DESCRIPTION']))
    return wrong


def complaint(section, key):
    """What qdad says to a key."""
    path = os.path.join(SCRATCH, 'qdad.conf')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(f'[{section}]\n{key}=?\n')
    return run(QDAD, '--check-config', '--config', path).stderr


def keys_of_page():
    """Pairs of section and key. What stands for several sections counts for each."""
    pairs = set()
    for name, text in subsections(read(PAGES, 'qdad.conf.5')).items():
        for section in re.findall(r'\[(\w+)[^]]*\]', name):
            pairs |= {(section, key) for key in re.findall(r'^\.It Ic (\w+)', text, re.M)}
    return pairs


def keys_of_configuration():
    page, names, wrong = keys_of_page(), {'domain': 'domain cdsp', 'policy': 'policy a',
                                          'quota': 'quota a'}, []
    for section in ('daemon', 'domain', 'policy', 'quota', 'connection', 'total'):
        real = names.get(section, section)
        listed = complaint(real, 'no_such_key').split(': ', 4)[-1]
        listed = set(re.findall(r'\b[a-z]+(?:_[a-z]+)*\b(?=[,;\n])', listed))
        mine = {key for where, key in page if where == section}
        wrong += [f'[{section}]: {x} is not in the page' for x in sorted(listed - mine)]
        wrong += [f'[{section}]: qdad knows no {x}' for x in sorted(mine)
                  if re.search('no such (key|resource)', complaint(real, x))]
        if len(listed) < 5:
            wrong.append(f'[{section}]: qdad names its keys no more: {sorted(listed)}')
    return wrong


def keys_of_sources():
    """The error texts may forget one."""
    taken, known = set(), {key for _, key in keys_of_page()}
    for name in ('config.c', 'config_rules.c'):
        taken |= set(re.findall(r'strcmp\(at->key, "(\w+)"\)', read(TOP, 'daemon', name)))
    if len(taken) < 20:
        return [f'only {len(taken)} keys were found in daemon/config*.c']
    return [f'{x}: taken by daemon/config*.c, not in the page' for x in sorted(taken - known)]


def defaults_of_limits():
    """Those of the page are those of the README, which another test gives to qdad."""
    cell = r'(\d+[KMG%]?)'
    page = set(re.findall(rf'^\.It Ic (\w+) Ta {cell} Ta {cell} Ta {cell} Ta',
                          read(PAGES, 'qdad.conf.5'), re.M))
    readme = set(re.findall(rf'^\| `(\w+)` \| {cell} \| {cell} \| {cell} \|',
                            read(TOP, 'README.md'), re.M))
    return differ('limits', {' '.join(x) for x in readme}, {' '.join(x) for x in page})


def defaults_of_keys():
    page = {}
    for name, text in subsections(read(PAGES, 'qdad.conf.5')).items():
        for item in text.split('\n.It Ic ')[1:]:
            found = re.search(r'^Default:\n?\s*(?:\.Cm )?(\w+)', item, re.M)
            page[name.strip('[]').split()[0].strip('],') if name else '', item.split()[0]] = \
                found[1] if found else ''
    wrong, section, compared = [], '', 0
    for line in read(TOP, 'README.md').splitlines():
        found = re.match(r'\| \*\*\[(\w+)', line)
        if found:
            section = found[1]
        found = re.match(r'\| `(\w+)` \| `?(\d+|soft)`? \|[^|]*\|$', line)
        if found and section in ('daemon', 'domain', 'quota'):
            compared += 1
            if page.get((section, found[1])) != found[2]:
                wrong.append(f'[{section}] {found[1]}: {found[2]} in the README, '
                             f'{page.get((section, found[1]))} in the page')
    return wrong if compared >= 7 else [f'only {compared} defaults were compared']


def examples_of_configuration():
    text = read(PAGES, 'qdad.conf.5').split('.Sh EXAMPLES')[1]
    path, wrong = os.path.join(SCRATCH, 'qdad.conf'), []
    examples = re.findall(r'^\.Bd.*?\n(.*?)^\.Ed', text, re.M | re.S)
    for example in examples:
        # Groups and directories need not be on this machine.
        example = re.sub(r'^group=.*', 'group=0', example, flags=re.M)
        example = re.sub(r'^modules=.*', f'modules={SCRATCH}', example, flags=re.M)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(example)
        result = run(QDAD, '--check-config', '--config', path)
        if result.returncode:
            wrong.append(result.stderr.strip())
    return wrong if len(examples) >= 2 else ['no examples were found']


def functions_of_library():
    exported = set(re.findall(r'^\t(qda_\w+);', read(TOP, 'client', 'libqdaclient.sym'), re.M))
    header = read(TOP, 'client', 'include', 'qda', 'client.h')
    made_there = set(re.findall(r'^static inline struct qda_arg (qda_\w+)\(', header, re.M))
    synopsis = subsections(read(PAGES, 'libqdaclient.3'))
    page = {name for part in synopsis.values()
            for name in re.findall(r'^\.Ft .*\n\.Fn (\w+)', part, re.M)}
    return differ('libqdaclient', exported | made_there, page)


def prototypes_of_library():
    """As the page has them they are declared once more; a compiler sees whether they agree."""
    found = re.findall(r'^\.Ft (.*)\n\.Fn (\w+) (.*)', read(PAGES, 'libqdaclient.3'), re.M)
    lines = ['#include <qda/client.h>']
    for kind, name, parameters in found:
        parameters = re.findall(r'"([^"]*)"|(\S+)', parameters)
        lines.append(f'{kind} {name}({", ".join(a or b for a, b in parameters)});')
    result = subprocess.run(COMPILER + ['-fsyntax-only', '-I', TOP + '/client/include', '-x', 'c', '-'],
                            input='\n'.join(lines) + '\n', capture_output=True, text=True, check=False)
    return result.stderr.splitlines() if result.returncode else []


def structs_of_library():
    """Those that the page shows have the fields of the header, in its order."""
    def members(text, name):
        body = re.search(rf'^struct {name} {{\n(.*?)^}};', text, re.M | re.S)
        body = re.sub(r'/\*.*?\*/', '', body[1], flags=re.S) if body else ''
        return re.sub(r'\s+', ' ', body).strip()
    header = read(TOP, 'client', 'include', 'qda', 'client.h')
    page = read(PAGES, 'libqdaclient.3')
    return [f'struct {x} is another one in client.h' for x in ('qda_domain', 'qda_error')
            if not members(page, x) or members(page, x) != members(header, x)]


def example_of_library():
    program = re.findall(r'^\.Bd -literal\n(#include.*?)^\.Ed', read(PAGES, 'libqdaclient.3'), re.M | re.S)
    if len(program) != 1:
        return ['the example is not found']
    path = os.path.join(SCRATCH, 'sum')
    made = subprocess.run(COMPILER + ['-Wall', '-Wextra', '-Werror', '-I', TOP + '/client/include', '-x', 'c', '-',
                                      '-x', 'none', '-o', path, '-L', BUILD + '/client', '-lqdaclient',
                                      f'-Wl,-rpath,{BUILD}/client'],
                          input=program[0].replace('\\e', '\\'), capture_output=True, text=True, check=False)
    if made.returncode:
        return made.stderr.splitlines()
    said = run(QDACTL, 'run', '--modules', BUILD + '/tests/skels', '--', path)
    return [] if said.stdout == '10\n' else [f'it printed {said.stdout!r} and {said.stderr!r}']


def fields(proto):
    """Message, number, type and name of each field, and messages without any."""
    found = set()
    for name, body in re.findall(r'^message (\w+) {(.*?)}$', proto, re.M | re.S):
        found.add(name)
        found |= {f'{name}: {number} {kind} {field}' for kind, field, number in
                  re.findall(r'^  ((?:repeated )?\w+) (\w+) = (\d+);', body, re.M)}
    return found


def messages_of_page():
    return subsections(read(PAGES, 'qda-protocol.7').split('.Sh MESSAGES')[1].split('.Sh ')[0])


def fields_of_protocol():
    page = set()
    for name, text in messages_of_page().items():
        page |= {name} if name else set()
        page |= {f'{name}: {number} {kind} {field}' for number, kind, field in
                 re.findall(r'^\.It (\d+) Vt "?([\w ]+?)"? Fa (\w+)$', text, re.M)}
    return differ('qda.proto', fields(read(TOP, 'proto', 'qda.proto')), page)


def types_of_protocol():
    header = re.findall(r'QDA_TYPE_(\w+) = (\d+)', read(TOP, 'proto', 'frame.h'))
    header = {f'{name.title().replace("_", "")} {number}' for name, number in header}
    page = set()
    for name, text in messages_of_page().items():
        page |= {f'{name} {number}' for number in re.findall(r'^Type (\d+)[.,]', text, re.M)}
    return differ('types of messages', header, page)


def bytes_of_protocol():
    said = run(os.path.join(BUILD, 'tests', 'docs', 'protocol_bytes')).stdout.strip()
    page = read(PAGES, 'qda-protocol.7').replace('\\e', '\\')
    page = re.findall(r'^\.\\" bytes: ([^\n]*)\n\.Bd -literal\n(.*?)^\.Ed', page, re.M | re.S)
    real = dict(part.split('\n', 1) for part in said.split('\n\n'))
    shown = {name: rows.rstrip('\n') for name, rows in page}
    return (differ('messages shown', set(real), set(shown)) +
            [f'{name} has other bytes now:\n{real[name]}'.replace('\n', '\n# ')
             for name in real if name in shown and shown[name] != real[name]])


def pages():
    return sorted(x for x in os.listdir(PAGES) if re.fullmatch(r'.*\.[1-8]', x))


def lint():
    """mandoc also has matters of taste; from WARNING on they count."""
    said = run('mandoc', '-Tlint', '-W', 'warning', *(os.path.join(PAGES, x) for x in pages()))
    return [x for x in said.stdout.splitlines() if 'not found' not in x]


def format_with_groff():
    wrong = []
    for page in pages():
        said = run('man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', os.path.join(PAGES, page))
        wrong += [f'{page}: {x}' for x in said.stderr.splitlines()]
        if not said.stdout:
            wrong.append(f'{page}: nothing came out')
    return wrong


def cross_references():
    """Pages of ours that are referred to are there."""
    wrong = []
    for page in pages():
        for name, section in re.findall(r'^\.Xr (\S*qda\S*) (\d)', read(PAGES, page), re.M):
            if f'{name}.{section}' not in pages():
                wrong.append(f'{page}: there is no {name}({section})')
    return wrong


def interfaces_of_bus():
    """Methods, properties and signals with their types."""
    real, page = set(), set()
    for name in ('Manager', 'Domain', 'Client', 'Session'):
        for member in ET.parse(f'{TOP}/policy/org.qdad.Broker1.{name}.xml').getroot().find('interface'):
            args = ', '.join(f"{x.get('direction', 'out')} {x.get('type')} {x.get('name')}"
                             for x in member.findall('arg'))
            real.add(f"{name}.{member.get('name')}: {member.tag} {member.get('type') or args}".strip())
    for name, text in subsections(read(PAGES, 'org.qdad.Broker1.5')).items():
        page |= {f"{name.split('.')[-1]}.{member}: {what}" for member, what in
                 re.findall(r'^\.It Ic (\w+) Pq "(.*)"$', text, re.M)}
    return differ('org.qdad.Broker1', real, page)


def links_of_docs():
    """Files of this tree that the pages in docs/ and the README refer to are there."""
    found = [os.path.join('docs', x) for x in os.listdir(TOP + '/docs') if x.endswith('.md')]
    wrong, n = [], 0
    for page in found + ['README.md']:
        for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', read(TOP, page)):
            n += 1
            if not os.path.exists(os.path.join(TOP, os.path.dirname(page), link)):
                wrong.append(f'{page}: there is no {link}')
    return wrong if n >= 20 else [f'only {n} links were found']


TESTS = [
    (options_of_qdad, 'qdad(8) has the options of qdad', None),
    (options_of_softdsp, 'qda-softdsp(8) has the options of qda-softdsp', None),
    (verbs_of_qdactl, 'qdactl(1) has the verbs of qdactl', None),
    (options_of_verbs, 'qdactl(1) has the options of each verb', None),
    (keys_of_configuration, 'qdad.conf(5) has the keys that qdad says it takes', None),
    (keys_of_sources, 'qdad.conf(5) has the keys that the sources of qdad take', None),
    (defaults_of_limits, 'qdad.conf(5) and the README have the same limits', None),
    (defaults_of_keys, 'qdad.conf(5) and the README have the same defaults', None),
    (examples_of_configuration, 'qdad takes the examples of qdad.conf(5)', None),
    (functions_of_library, 'libqdaclient(3) has the functions of the library', None),
    (prototypes_of_library, 'libqdaclient(3) has the prototypes of client.h', None),
    (structs_of_library, 'libqdaclient(3) has the structs of client.h', None),
    (example_of_library, 'the example of libqdaclient(3) adds on the DSP', None),
    (fields_of_protocol, 'qda-protocol(7) has the messages and fields of qda.proto', None),
    (types_of_protocol, 'qda-protocol(7) has the types of frame.h', None),
    (bytes_of_protocol, 'the bytes in qda-protocol(7) are those that the codec makes', None),
    (interfaces_of_bus, 'org.qdad.Broker1(5) has the interfaces of policy/*.xml', None),
    (cross_references, 'manual pages refer to manual pages that are there', None),
    (links_of_docs, 'pages in docs/ refer to files that are there', None),
    (lint, 'mandoc has nothing to say about the pages', 'mandoc'),
    (format_with_groff, 'man has nothing to say about the pages', 'man'),
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
