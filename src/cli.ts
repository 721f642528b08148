#!/usr/bin/env node
/**
 * The command line: argv → settings → command. The only owner of exit codes and of devwatch's
 * own signals.
 */

import { constants } from 'node:os';
import { type CommandLine, parseArgv } from './config/argv.ts';
import { type LoadedSettings, loadSettings, packageMain } from './config/load.ts';
import type { Settings } from './config/options.ts';
import { UsageError } from './errors.ts';
import type { Ending } from './events.ts';
import { Runner } from './runner.ts';
import { readShortcuts, shortcutHelp } from './terminal/keys.ts';
import { createReporter, type Reporter, type ReporterOptions, wantsColor } from './terminal/reporter.ts';
import { version } from './version.ts';

/** A Ctrl-C that npm passes on right after the terminal's own is the same Ctrl-C. Milliseconds. */
const samePress = 200;

const usageExitCode = 2;

async function main(argv: readonly string[]): Promise<void> {
  const line = parseArgv(argv);
  if (line.help) return (await import('./config/describe.ts')).printHelp(version);
  if (line.version) return void process.stdout.write(`${version}\n`);
  const [word] = line.program;
  if (!line.literal && (word === 'init' || word === 'config')) {
    const commands = await import('./commands.ts');
    return word === 'init' ? commands.init(process.cwd()) : commands.showSettings(load(line));
  }
  runProgram(line);
}

function load(line: CommandLine): LoadedSettings {
  return loadSettings({ given: line.flags, folder: process.cwd(), config: line.config });
}

function runProgram(line: CommandLine): void {
  const loaded = load(line);
  const runner = new Runner({
    loaded,
    program: programOf(line, loaded),
    nodeArgs: line.nodeArgs,
    reload: () => load(line),
  });
  const reporter = createReporter({
    stream: process.stderr,
    folder: process.cwd(),
    version,
    ...reporterSettings(loaded.settings),
  });
  runner.observe(reporter.report);
  runner.on('settings', ({ settings }) => reporter.configure(reporterSettings(settings)));
  runner.on('end', ({ ending }) => process.exit(exitCodeOf(ending)));
  handleSignals(runner);
  runner.start();
  readKeys(runner, reporter);
}

/** What the command line names; else what the settings do; else the package's entry point. */
function programOf(line: CommandLine, { settings, folder }: LoadedSettings): readonly string[] {
  if (line.program.length > 0 || settings.script !== undefined || settings.exec !== undefined) return line.program;
  const main = packageMain(folder);
  return main === undefined ? [] : [main];
}

function reporterSettings(settings: Settings): Pick<ReporterOptions, 'format' | 'level' | 'color' | 'clear'> {
  return {
    format: settings.logFormat,
    level: settings.quiet ? 'quiet' : settings.verbose ? 'verbose' : 'normal',
    color: settings.color && wantsColor(process.stderr, process.env),
    clear: settings.clear,
  };
}

function exitCodeOf(ending: Ending): number {
  switch (ending.kind) {
    case 'asked':
      return 0;
    case 'signal':
      return 128 + constants.signals[ending.signal];
    case 'program': {
      const { code, signal } = ending.outcome;
      return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
    }
  }
}

function handleSignals(runner: Runner): void {
  const lastAt = new Map<NodeJS.Signals, number>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < samePress) return;
      lastAt.set(signal, now);
      // On a terminal the program is in the same process group: Ctrl-C has reached it as well.
      const told = signal === 'SIGINT' && process.stdin.isTTY;
      void runner.stop({ kind: 'signal', signal }, told);
    });
  }
}

function readKeys(runner: Runner, reporter: Reporter): void {
  if (!process.stdin.isTTY) return;
  readShortcuts(process.stdin, (action) => {
    switch (action) {
      case 'restart':
        return runner.restart();
      case 'quit':
        return void runner.stop();
      case 'clear':
        return void process.stderr.write('\u001b[2J\u001b[H');
      case 'help':
        return reporter.say(shortcutHelp);
    }
  });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`devwatch: ${error.message}\n`);
  process.exitCode = usageExitCode;
});
