/** The process that `devwatch start` starts: one program, without a terminal. */

import { parseArgv } from '../config/argv.ts';
import { type NamedProgram, type Programs, programsOf, selectAgain } from './select-programs.ts';
import { backgroundVariable } from './subcommands.ts';
import { tuneV8 } from './tune-v8.ts';

export async function runAsDaemon(name: string, argv: readonly string[]): Promise<void> {
  delete process.env[backgroundVariable];
  const line = parseArgv(argv);
  const atStart = programsOf(line);
  const { runInBackground } = await import('../background/daemon.ts');
  await runInBackground({
    name,
    argv,
    ...withPipedInput(atStart),
    reload: () => withPipedInput(selectAgain(line, atStart)).loaded,
    onEnd: () => process.exit(0),
  });
  tuneV8();
}

/** The program's stdin is a pipe, for the input of those who attach. */
function withPipedInput([program]: Programs): NamedProgram {
  const { loaded } = program;
  return { ...program, loaded: { ...loaded, settings: { ...loaded.settings, stdin: 'pipe' } } };
}
