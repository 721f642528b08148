import { describe, expect, test } from 'vitest';
import { programsOf } from '../../../src/cli/select-programs.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { commandOf as plannedCommand } from '../../../src/run/command-plan.ts';
import { createProject } from '../../support/project.ts';

const files = { 'server.js': '', 'worker.js': '' };
const apps = '{"apps": {"api": {"script": "server.js", "args": ["a"]}, "worker": {"script": "worker.js"}}}';

/** Returns the command that a command line runs in a project. */
async function commandOf(line: string, others: Readonly<Record<string, string>>): Promise<string> {
  await using project = createProject({ ...files, ...others });
  const [program] = programsOf(parseArgv(['--cwd', project.path, ...line.split(' ')]));
  return plannedCommand(program).display;
}

test.each([
  ['{"script": "server.js"}', '-- --port 8080', 'node server.js --port 8080'],
  ['{"script": "server.js", "args": ["a"]}', '-- --port 8080', 'node server.js a --port 8080'],
  ['{"exec": "echo"}', '-- --port 8080', 'echo --port 8080'],
  ['{"exec": "node", "script": "server.js"}', '-- -p 1', 'node server.js -p 1'],
  [apps, '--only api -- --port 8080', 'node server.js a --port 8080'],
  [apps, 'api --port 8080', 'node server.js a --port 8080'],
  [apps, 'worker -- x', 'node worker.js x'],
])('with %s devwatch %s runs %s', async (watchrc, line, command) => {
  expect(await commandOf(line, { '.watchrc': watchrc })).toBe(command);
});

test('arguments after -- go to the program that package.json names', async () => {
  expect(await commandOf('-- --port 80', { 'package.json': '{"main": "server.js"}' })).toBe('node server.js --port 80');
});

test('arguments after -- are refused for several programs', async () => {
  await expect(commandOf('-- --port 80', { '.watchrc': apps })).rejects.toThrow(
    '-- --port: for which program? · --only <name> selects one of api, worker',
  );
});

test('arguments after -- are no program where there is none', async () => {
  await expect(commandOf('-- --port 80', {})).rejects.toThrow('nothing to run');
});

test.each([
  ['{"script": "server.js", "nodeArgs": ["--inspect", "--watch"]}', '"nodeArgs": --watch is not needed'],
  ['{"script": "server.js", "nodeArgs": ["--watch-path=src"]}', 'devwatch itself watches: --watch src'],
])("with %s Node's own watch mode is refused", async (watchrc, message) => {
  await expect(commandOf('-q', { '.watchrc': watchrc })).rejects.toThrow(message);
});

describe('several programs with a debugger', () => {
  const two = (api: object, worker: object, common: object = {}): string =>
    JSON.stringify({
      ...common,
      apps: { api: { script: 'server.js', ...api }, worker: { script: 'worker.js', ...worker } },
    });
  const shared = (port: number): string =>
    `api and worker would share port ${port} for the debugger · --inspect=0 gives`;
  const flags = (...nodeArgs: readonly string[]) => ({ nodeArgs });

  test.each<[line: string, watchrc: string, message: string | undefined]>([
    ['--inspect', two({}, {}), shared(9229)],
    ['-q', two({}, {}, flags('--inspect=127.0.0.1:9300')), shared(9300)],
    ['-q', two(flags('--inspect'), flags('--inspect-brk=9229')), shared(9229)],
    ['-q', two({ exec: 'node --inspect' }, { exec: 'node --inspect-port=9229 --inspect-wait' }), shared(9229)],
    ['-q', two({ env: { NODE_OPTIONS: '--inspect' } }, flags('--inspect')), shared(9229)],
    ['--inspect=0', two({}, {}), undefined],
    ['-q', two(flags('--inspect'), flags('--inspect=9230')), undefined],
    ['--inspect-port=9300', two({}, {}), undefined],
    ['--inspect --only api', two({}, {}), undefined],
  ])('devwatch %s with %s', async (line, watchrc, message) => {
    const run = commandOf(line, { '.watchrc': watchrc });
    if (message === undefined) await expect(run).resolves.toContain('server.js');
    else await expect(run).rejects.toThrow(message);
  });
});
