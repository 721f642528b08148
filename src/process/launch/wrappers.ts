/** Commands that run another command: `env A=b node server.js`, `uv run app.py`, `nice -n 5 node server.js`. Pure. */

import { attempt } from '../../shared/errors.ts';
import { isAssignment, splitWords, variablesIn } from '../shell-line.ts';
import { extensionsOf, toolName } from './tools.ts';

interface Wrapper {
  /** The words that follow its name when it runs a command, one of them: `run`. Without them any command follows. */
  readonly subcommands?: readonly string[];
  /** Its options that take the next word as their value. */
  readonly valued?: readonly string[];
  /** The number of its own operands before the command. */
  readonly operands?: number;
  /** Its options `-S` and `--split-string` split the next word into words, as the first line of a script needs it. */
  readonly splits?: boolean;
  /** The command follows `--` only. */
  readonly needsDashes?: boolean;
  /** It only sets variables or finds a command, so that the command can as well be run without it. */
  readonly isTransparent?: boolean;
}

const valued = (names: string): Pick<Wrapper, 'valued'> => ({ valued: names.split(' ') });
const after = (subcommands: string): Pick<Wrapper, 'subcommands'> => ({ subcommands: subcommands.split(' ') });
const isTransparent = true;

const wrappers: Readonly<Record<string, Wrapper>> = {
  env: { ...valued('-u --unset -C --chdir'), isTransparent, splits: true },
  'cross-env': { isTransparent },
  exec: { isTransparent },
  command: { isTransparent },
  npx: { ...valued('-p --package -w --workspace --registry'), isTransparent },
  npm: { ...after('exec x'), ...valued('-p --package -w --workspace --prefix'), isTransparent },
  pnpm: { ...after('exec'), ...valued('-C --dir --filter -F'), isTransparent },
  pnpx: {},
  yarn: { ...after('exec dlx') },
  bunx: {},
  dotenv: valued('-e -v -p -c'),
  'env-cmd': valued('-f --file -r --rc-file -e --environments'),
  dotenvx: { ...after('run'), ...valued('-f --env-file -e --env -fk --env-keys-file --convention') },
  nice: valued('-n --adjustment'),
  ionice: valued('-c --class -n --classdata'),
  chrt: { operands: 1 },
  taskset: { operands: 1 },
  nohup: {},
  setsid: {},
  time: {},
  stdbuf: valued('-i -o -e --input --output --error'),
  unbuffer: {},
  timeout: { ...valued('-s --signal -k --kill-after'), operands: 1 },
  flock: { ...valued('-w --timeout -E'), operands: 1 },
  sudo: valued('-u --user -g --group -h -p -C -D'),
  doas: valued('-u -C'),
  gosu: { operands: 1 },
  'su-exec': { operands: 1 },
  'xvfb-run': valued('-s --server-args -n --server-num -e -f'),
  strace: valued('-o -e -p -s -E'),
  caffeinate: {},
  tini: {},
  'dumb-init': {},
  nyc: {},
  c8: {},
  '0x': {},
  clinic: { ...after('doctor bubbleprof flame heapprofiler'), needsDashes: true },
  op: { ...after('run'), needsDashes: true },
  doppler: { ...after('run'), needsDashes: true },
  infisical: { ...after('run'), needsDashes: true },
  chamber: { ...after('exec'), needsDashes: true },
  'aws-vault': { ...after('exec'), needsDashes: true },
  teller: { ...after('run'), needsDashes: true },
  volta: { ...after('run'), ...valued('--node --npm --yarn') },
  fnm: { ...after('exec'), ...valued('--using') },
  nvm: { ...after('exec'), operands: 1 },
  asdf: after('exec'),
  mise: { ...after('exec x'), needsDashes: true },
  direnv: { ...after('exec'), operands: 1 },
  nix: after('develop shell'),
  pyenv: after('exec'),
  rbenv: after('exec'),
  uv: {
    ...after('run'),
    ...valued(
      '--with --with-editable --with-requirements --env-file --python -p --package --project --directory --extra --group -m --module',
    ),
  },
  uvx: valued('--with --from --python -p'),
  pipx: { ...after('run'), ...valued('--spec') },
  poetry: { ...after('run'), ...valued('-C --directory -P --project') },
  pdm: { ...after('run'), ...valued('-p --project') },
  pipenv: after('run'),
  rye: after('run'),
  hatch: { ...after('run'), ...valued('-e --env') },
  pixi: { ...after('run'), ...valued('-e --environment') },
  conda: { ...after('run'), ...valued('-n --name -p --prefix') },
  mamba: { ...after('run'), ...valued('-n --name -p --prefix') },
  micromamba: { ...after('run'), ...valued('-n --name -p --prefix') },
  coverage: { ...after('run'), ...valued('--source --rcfile --data-file -m') },
  'ddtrace-run': {},
  'newrelic-admin': after('run-program'),
  'opentelemetry-instrument': {},
  bundle: { ...after('exec'), ...valued('--gemfile') },
  spring: {},
};

/** Returns whether a word names a command that can run another one. */
export const isWrapper = (word: string): boolean => Object.hasOwn(wrappers, toolName(word));

/** A command without the commands that only run it. */
export interface Unwrapped {
  readonly words: readonly string[];
  /** The variables that the removed words set. */
  readonly variables: Readonly<Record<string, string>>;
  /** The first of the removed commands without which the program cannot be run; undefined if there is none. */
  readonly holder: string | undefined;
  /** The extensions of the language that the removed commands are made for. */
  readonly extensions: readonly string[];
}

/** Removes the commands that only run another command. */
export function unwrap(words: readonly string[]): Unwrapped {
  let left: Unwrapped = { words, variables: {}, holder: undefined, extensions: [] };
  for (let step = removeOne(left); step !== undefined; step = removeOne(step)) left = step;
  return left;
}

function removeOne({ words, variables, holder, extensions }: Unwrapped): Unwrapped | undefined {
  const [first = '', ...rest] = words;
  const tool = toolName(first);
  const wrapper = Object.hasOwn(wrappers, tool) ? wrappers[tool] : undefined;
  if (wrapper === undefined) return undefined;
  const found = commandBehind(wrapper, rest);
  if (found === undefined) return undefined;
  const { own, command } = found;
  // Without its variables the program would be another one; and cross-env replaces variables in values.
  const isAltered = own.some((word) => /^(?:-$|-i|--ignore|-u|--unset|-C|--chdir)/.test(word)) && tool === 'env';
  const hasReferences = own.some((word) => isAssignment(word) && word.includes('$'));
  const isRemovable = wrapper.isTransparent === true && !isAltered && !hasReferences;
  return {
    words: command,
    variables: { ...variables, ...variablesIn(own) },
    holder: holder ?? (isRemovable ? undefined : tool),
    extensions: [...new Set([...extensions, ...(extensionsOf(tool) ?? [])])],
  };
}

interface Found {
  readonly own: readonly string[];
  readonly command: readonly string[];
}

/** Separates the own words of a wrapper from the command that it runs; undefined if it runs none. */
function commandBehind(wrapper: Wrapper, words: readonly string[]): Found | undefined {
  const { subcommands, valued: takesValue = [], operands = 0, needsDashes = false, splits = false } = wrapper;
  let awaitsSubcommand = subcommands !== undefined;
  let skipped = 0;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const find = (command: readonly string[]): Found | undefined =>
      awaitsSubcommand || command.length === 0 ? undefined : { own: words.slice(0, at), command };
    if (word === '--') return find(words.slice(at + 1));
    const [, attached] = (splits && /^(?:-S|--split-string=?)(.*)$/s.exec(word)) || [];
    if (attached !== undefined) {
      const [line = '', ...rest] = attached === '' ? words.slice(at + 1) : [attached, ...words.slice(at + 1)];
      const inner = commandBehind({ ...wrapper, splits: false }, [...splitLoosely(line), ...rest]);
      return inner && { ...inner, own: [...words.slice(0, at), ...inner.own] };
    }
    // `uv run -m app`: Python runs a module.
    if (/^(?:-m|--module)$/.test(word) && takesValue.includes(word))
      return find(['python', '-m', ...words.slice(at + 1)]);
    if (takesValue.includes(word)) {
      at += 1;
    } else if (word.startsWith('-') || isAssignment(word)) {
      // Its own option, or a variable.
    } else if (awaitsSubcommand) {
      if (subcommands?.includes(word) !== true) return undefined;
      awaitsSubcommand = false;
    } else if (needsDashes || skipped < operands) {
      skipped += 1;
    } else {
      return find(words.slice(at));
    }
  }
  return undefined;
}

const splitLoosely = (text: string): string[] => attempt(() => splitWords(text)) ?? text.split(/\s+/);
