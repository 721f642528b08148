/** Finds the words that can stand at the end of a command line, for the completion of shells. */

import os from 'node:os';
import { flagText } from '../config/option-text.ts';
import { type OptionSpec, optionKeys, specOf } from '../config/options.ts';
import { takesNextWord } from '../shared/node-flags.ts';
import { type Subcommand, subcommands } from './subcommands.ts';

export interface Candidate {
  readonly word: string;
  /** On a single line; may be empty. */
  readonly help: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Files and folders are possible as well. */
  readonly files: boolean;
}

/** Names that depend on the machine and the folder. */
export interface Names {
  /** Of programs in the background. */
  readonly background: () => readonly string[];
  /** Of `apps` in the settings here. */
  readonly apps: () => readonly string[];
}

interface Flag {
  readonly names: readonly string[];
  readonly help: string;
  /** Undefined for a switch. */
  readonly value: Completion | undefined;
}

/** Where the last word stands. */
interface Place {
  readonly subcommand: Subcommand | undefined;
  /** The flag whose value it is. */
  readonly flag: Flag | undefined;
  /** It belongs to the program, or is the program behind `--`. */
  readonly isProgram: boolean;
}

const nothing: Completion = { candidates: [], files: false };
const files: Completion = { candidates: [], files: true };

/**
 * Returns what can stand in the place of the last word, which may be empty, and begins as that word does.
 *
 * @param words the command line up to the cursor; the first one is the name of devwatch
 */
export function complete(words: readonly string[], names: Names): Completion {
  const current = words.at(-1) ?? '';
  const { subcommand, flag, isProgram } = placeAfter(words.slice(1, -1), names);
  if (isProgram) return files;
  if (flag !== undefined) return beginning(flag.value ?? nothing, current);
  const flags = flagsOf(subcommand, names);
  const [, name = '', equals] = /^(--[^=]+)(=)/.exec(current) ?? [];
  if (equals !== undefined) return attached(flags.find((one) => one.names.includes(name))?.value, name, current);
  const all = current.startsWith('-') ? listing(flags) : operandsOf(subcommand, names);
  return beginning(all, current);
}

function placeAfter(words: readonly string[], names: Names): Place {
  let place: Place = { subcommand: undefined, flag: undefined, isProgram: false };
  for (const word of words) {
    const { subcommand, flag } = place;
    if (flag !== undefined) place = { ...place, flag: undefined };
    else if (word === '--') return { ...place, isProgram: true };
    else if (word.startsWith('-')) place = { ...place, flag: valueFlag(word, subcommand, names) };
    else if (subcommand !== undefined && subcommand.takes !== 'line') continue;
    else {
      const found = subcommand === undefined ? subcommands.find(({ name }) => name === word) : undefined;
      if (found === undefined) return { ...place, isProgram: true };
      place = { ...place, subcommand: found };
    }
  }
  return place;
}

/** Returns the flag whose value the next word is. */
function valueFlag(word: string, subcommand: Subcommand | undefined, names: Names): Flag | undefined {
  if (word.includes('=')) return undefined;
  const flag = flagsOf(subcommand, names).find((one) => one.names.includes(word));
  if (flag !== undefined) return flag.value === undefined ? undefined : flag;
  return takesNextWord(word) ? { names: [word], help: '', value: files } : undefined;
}

function flagsOf(subcommand: Subcommand | undefined, names: Names): readonly Flag[] {
  const own = Object.entries(subcommand?.options ?? {}).map(([text, help]) => ({
    names: namesIn(text),
    help,
    value: text.includes('<file>') ? files : text.includes('<') ? nothing : undefined,
  }));
  const takesAll = subcommand === undefined || (subcommand.takes ?? 'operands') !== 'operands';
  return takesAll ? [...own, ...ownerless(names)] : own;
}

function ownerless(names: Names): readonly Flag[] {
  const only = { candidates: names.apps().map((word) => ({ word, help: '' })), files: false };
  const options = optionKeys.map(specOf).flatMap((spec) => {
    const text = flagText(spec);
    if (text === undefined) return [];
    const alias = spec.alias === undefined ? [] : [`--${spec.alias}`];
    const value = text.includes('<') ? valuesOf(spec) : undefined;
    return [{ names: [...namesIn(text), ...alias], help: spec.help.replaceAll('`', ''), value }];
  });
  return [
    ...options,
    { names: ['--no-watch'], help: 'watch nothing', value: undefined },
    { names: ['--no-keep'], help: 'let no process outlive the program', value: undefined },
    { names: ['-c', '--config'], help: 'read this settings file', value: files },
    { names: ['--only'], help: 'run only these programs of "apps"', value: only },
    { names: ['-h', '--help'], help: 'display the options', value: undefined },
    { names: ['-v', '--version'], help: 'display version number', value: undefined },
  ];
}

/** Returns `-w` and `--watch` of `-w, --watch <glob>`. */
const namesIn = (text: string): readonly string[] => text.replace(/ <.*/, '').split(', ');

function valuesOf({ kind, choices = [] }: OptionSpec): Completion {
  const words = (list: readonly string[]): Completion => ({
    candidates: list.map((word) => ({ word, help: '' })),
    files: false,
  });
  switch (kind) {
    case 'choice':
    case 'choices':
      return words(choices);
    case 'reaction':
      return words(['restart', 'nothing', ...Object.keys(os.constants.signals).map((name) => `signal:${name}`)]);
    case 'signal':
      return words([...Object.keys(os.constants.signals), 'message']);
    case 'readiness':
      return words(['listen', 'message', 'exit', 'http://', 'tcp://']);
    case 'path':
    case 'paths':
    case 'globs':
      return files;
    default:
      return nothing;
  }
}

/** Returns the long names, which explain themselves. */
const listing = (flags: readonly Flag[]): Completion => ({
  candidates: flags.flatMap(({ names, help }) =>
    names.filter((name) => name.startsWith('--')).map((word) => ({ word, help })),
  ),
  files: false,
});

function operandsOf(subcommand: Subcommand | undefined, names: Names): Completion {
  const words = (list: readonly string[], help: string): Candidate[] => list.map((word) => ({ word, help }));
  if (subcommand === undefined) {
    const commands = subcommands.map(({ name, help }) => ({
      word: name,
      help: firstSentence([help].flat().join(' ')),
    }));
    return { candidates: [...words(names.apps(), 'program of "apps"'), ...commands], files: true };
  }
  if (subcommand.operands !== undefined) return { candidates: words(subcommand.operands, ''), files: false };
  if (subcommand.takes === 'paths') return files;
  const background = words(names.background(), 'program in the background');
  if (subcommand.takes === 'line') {
    return { candidates: [...words(names.apps(), 'program of "apps"'), ...background], files: true };
  }
  return { candidates: [...background, ...words(['all'], 'all programs')], files: false };
}

const firstSentence = (text: string): string => /^.*?[.:;](?= |$)/.exec(text)?.[0].slice(0, -1) ?? text;

function beginning({ candidates, files }: Completion, start: string): Completion {
  const unique = new Map(candidates.map((candidate) => [candidate.word, candidate]));
  return { candidates: [...unique.values()].filter(({ word }) => word.startsWith(start)), files };
}

/** Completes `--restart=al`. */
function attached(values: Completion | undefined, name: string, current: string): Completion {
  const { candidates } = values ?? nothing;
  return beginning(
    { candidates: candidates.map((one) => ({ ...one, word: `${name}=${one.word}` })), files: false },
    current,
  );
}
