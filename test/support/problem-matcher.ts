/** Reads the output of a task as Visual Studio Code does, with a problem matcher of tasks.json. */

interface ProblemMatcher {
  readonly pattern: readonly {
    readonly regexp: string;
    readonly file?: number;
    readonly line?: number;
    readonly message?: number;
  }[];
  readonly background: {
    readonly activeOnStart: boolean;
    readonly beginsPattern: string;
    readonly endsPattern: string;
  };
}

interface Problem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface TaskState {
  /** `idle` after a line that matches `endsPattern`: a launch that waits for the task goes on. */
  readonly state: 'active' | 'idle';
  /** How often the task has become idle. */
  readonly runs: number;
  readonly problems: readonly Problem[];
}

/** Returns a function that reads all lines of a task so far. */
export function createMatcher({ pattern, background }: ProblemMatcher): (lines: readonly string[]) => TaskState {
  const begins = new RegExp(background.beginsPattern);
  const ends = new RegExp(background.endsPattern);
  return (lines) => {
    let isActive = background.activeOnStart;
    let runs = 0;
    let problems: Problem[] = [];
    lines.forEach((line, index) => {
      if (begins.test(line)) {
        isActive = true;
        problems = [];
      } else if (isActive && ends.test(line)) {
        isActive = false;
        runs += 1;
      } else {
        problems.push(...problemAt(lines.slice(index, index + pattern.length)));
      }
    });
    return { state: isActive ? 'active' : 'idle', runs, problems };
  };

  /** Returns the problem that begins with the first of these lines, which all patterns match in turn. */
  function problemAt(lines: readonly string[]): Problem[] {
    const found = { file: '', line: 0, message: '' };
    for (const [index, { regexp, file, line, message }] of pattern.entries()) {
      const match = new RegExp(regexp).exec(lines[index] ?? '\0');
      if (match === null) return [];
      if (file !== undefined) found.file = match[file] ?? '';
      if (line !== undefined) found.line = Number(match[line]);
      if (message !== undefined) found.message = match[message] ?? '';
    }
    return [found];
  }
}
