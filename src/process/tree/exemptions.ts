/**
 * Processes of a tree that outlive it, because a person has opened them or several projects share them: editors,
 * browsers, tmux, daemons. Exempt are a process that `keep` names, one with `DEVWATCH_KEEP=1` in its environment, and
 * all that descends from one of these. The program itself never is.
 */

import path from 'node:path';
import { require } from '../../shared/require.ts';
import { TimeBudget } from '../../shared/time-budget.ts';
import { Lineage, type Place } from './lineage.ts';
import { type Candidate, commandLine, readStat } from './proc.ts';
import type { Invocation } from './tree.ts';

/** Facts of a process on which its exemption depends. */
type Process = Pick<Candidate, keyof Place | 'parent' | 'command' | 'environment'>;

/** Looks up processes by their pids. */
interface Lookup {
  readonly placeOf: (pid: number) => Place | undefined;
  readonly commandLine: (pid: number) => string | undefined;
}

/** Describes the processes that may outlive a program. */
export interface Keep {
  /** Globs for names and whole command lines, in which `*` also matches `/`. One that begins with `!` excludes. */
  readonly globs: readonly string[];
  /** The names in the program's own command, to which the globs do not apply. */
  readonly program: readonly string[];
}

/** Returns what may outlive a program that this command runs. */
export function keepFor(globs: readonly string[], { file, args }: Pick<Invocation, 'file' | 'args'>): Keep {
  // All words of a shell line may be names of commands.
  const words = args[0] === '-c' ? (args[1] ?? '').split(/[\s;&|()'"]+/) : [];
  const { includes } = createMatcher(globs);
  return { globs, program: [file, ...words].map((word) => path.basename(word)).filter(includes) };
}

/** The beginning of a command line to which globs apply: some of them take long on long texts. */
const maxMatchedLength = 4096;
/** The kernel shortens names to this length. */
const maxNameLength = 15;

const lookupInProc: Lookup = { placeOf: readStat, commandLine };

/** Groups do not count here: a shell makes one of all the processes in a pipeline. */
const inSession = (candidate: Process): Place => ({ ...candidate, group: candidate.session });

/** Finds the exempt processes of one tree, and remembers them: their names and parents may change. */
export class Exemptions {
  readonly #keep: Keep;
  readonly #root: number | undefined;
  readonly #lookup: Lookup;
  readonly #lineage: Lineage;
  #matcher: Matcher | undefined;

  /** @param root the process that is never exempt: the program itself */
  constructor(keep: Keep, root?: number, lookup: Lookup = lookupInProc) {
    this.#keep = { ...keep, program: keep.program.map((name) => name.slice(0, maxNameLength)) };
    this.#root = root;
    this.#lookup = lookup;
    this.#lineage = new Lineage(lookup.placeOf);
  }

  /**
   * Returns the pids of those of these processes, all of one tree and alive, that are exempt.
   *
   * @param kept exempt processes that are not in the tree any more, perhaps because another devwatch has moved them out
   */
  among(candidates: readonly Process[], kept: ReadonlySet<number> = new Set()): ReadonlySet<number> {
    this.#lineage.revise();
    const exempt = new Set<number>();
    const others = candidates.filter(({ pid }) => pid !== this.#root);
    const add = (candidate: Process): void => {
      exempt.add(candidate.pid);
      this.#lineage.add(inSession(candidate));
    };
    for (const candidate of others) if (this.#isExemptItself(candidate)) add(candidate);
    for (let known = -1; known < exempt.size; ) {
      known = exempt.size;
      for (const candidate of others)
        if (!exempt.has(candidate.pid) && this.#descends(candidate, exempt, kept)) add(candidate);
    }
    return exempt;
  }

  #isExemptItself(process: Process): boolean {
    const { pid, command, environment } = process;
    if (this.#lineage.isKnown(process) || environment.includes('\0DEVWATCH_KEEP=1\0')) return true;
    if (this.#keep.globs.length === 0) return false;
    this.#matcher ??= createMatcher(this.#keep.globs);
    const { includes, excludes } = this.#matcher;
    const line = this.#lookup.commandLine(pid)?.slice(0, maxMatchedLength) ?? '';
    const isIncluded = includes(command) ? !this.#keep.program.includes(command) : includes(line);
    return isIncluded && !excludes(command) && !excludes(line);
  }

  /** Whether the process descends from an exempt one, as far as that can still be seen. */
  #descends(candidate: Process, exempt: ReadonlySet<number>, kept: ReadonlySet<number>): boolean {
    if (this.#lineage.includes(inSession(candidate))) return true;
    const { parent, environment } = candidate;
    const creators = [parent, ...multiplexersIn(environment)];
    return creators.some((pid) => exempt.has(pid) || kept.has(pid) || this.#lineage.isAlive(pid));
  }
}

/** Returns the pids of the servers of tmux and screen in whose windows the process runs, or says so. */
function multiplexersIn(environment: string): number[] {
  // `TMUX=/tmp/tmux-0/default,1234,0` and `STY=1234.pts-0.host`: known even when the processes in between have ended.
  const [, server] = /\0TMUX=[^\0]*,(\d+),\d+\0/.exec(environment) ?? [];
  const [, screen] = /\0STY=(\d+)\./.exec(environment) ?? [];
  return [server, screen].flatMap((pid) => (pid === undefined ? [] : [Number(pid)]));
}

type Test = (text: string) => boolean;

/** Tests of names and command lines. */
interface Matcher {
  readonly includes: Test;
  readonly excludes: Test;
}

function createMatcher(globs: readonly string[]): Matcher {
  const anyOf = (list: readonly string[]): Test => {
    const tests = list.map(createGlobTest);
    return (text) => tests.some((test) => test(text));
  };
  return {
    includes: anyOf(globs.filter((glob) => !isExclusion(glob))),
    excludes: anyOf(globs.filter(isExclusion).map((glob) => glob.slice(1))),
  };
}

const isExclusion = (glob: string): boolean => glob.startsWith('!') && !glob.startsWith('!(');

/** picomatch takes 20 ms to load and to compile the usual globs, and a save may be waiting: most have no more than `*`. */
function createGlobTest(glob: string): Test {
  if (/[?[\]{}()\\]/.test(glob)) {
    const test = (require('picomatch') as typeof import('picomatch'))(glob, { dot: true, bash: true });
    // A command line is long, and a save may be waiting. A glob that takes too long matches nothing any more.
    const budget = new TimeBudget(() => {});
    return (text) => budget.run(() => test(text)) === true;
  }
  const [first = '', ...rest] = glob.split('*');
  const last = rest.pop();
  if (last === undefined) return (text) => text === first;
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at + last.length <= text.length;
  };
}
