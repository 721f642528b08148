import { expect, test } from 'vitest';
import { remarksInForeground, remarksOn } from '../../../src/cli/remarks.ts';
import { programsOf } from '../../../src/cli/select-programs.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { createProject } from '../../support/project.ts';

async function remarks(line: string, files: Readonly<Record<string, string>> = {}): Promise<string[]> {
  await using project = createProject({ 'bot.js': '', 'main.js': '', 'src/app.ts': '', ...files });
  const given = parseArgv(['--cwd', project.path, ...line.split(' ')]);
  return remarksOn(given, programsOf(given));
}

test.each([
  ['bot.js --ignore data.json', '--ignore stands behind bot.js, and goes to it · options of devwatch go before it'],
  ['bot.js -e js,hbs -w=x', '-e, -w stand behind bot.js, and go to it · options of devwatch go before it'],
  ['bot.js a --inspect=0', '--inspect stands behind bot.js, and goes to it · options of Node go before it'],
  [
    'bot.js --no-standby --no-standby',
    '--no-standby stands behind bot.js, and goes to it · options of devwatch go before it',
  ],
  ['--exec node bot.js --watch x', '--watch stands behind bot.js, and goes to it · options of devwatch go before it'],
  ['--delay 2 bot.js', '--delay 2 means 2 ms · --delay 2s would be seconds'],
])('devwatch %s has the remark: %s', async (line, remark) => {
  expect(await remarks(line)).toEqual([remark]);
});

test.each([
  'bot.js --port 80 x -p',
  'bot.js -- --ignore x',
  'bot.js --help -v',
  '-- bot.js --watch src',
  'npm run dev --watch',
  '--watch src bot.js',
])('devwatch %s has no remark', async (line) => {
  expect(await remarks(line)).toEqual([]);
});

test('a script as the value of --watch has a remark if another program runs', async () => {
  const files = { 'package.json': '{"main": "main.js"}' };
  expect(await remarks('--watch vitest.config.ts', files)).toEqual([
    '--watch vitest.config.ts only selects what is watched, node main.js runs · devwatch vitest.config.ts runs it and watches',
  ]);
});

test('devwatch as PID 1 names what puts an init in front of it', () => {
  expect(remarksInForeground(parseArgv(['server.js']), 1)).toEqual([expect.stringContaining('docker run --init')]);
});

test('options for the background have a remark in the foreground', () => {
  expect(remarksInForeground(parseArgv(['--name', 'web', '-q', '--log', 'a.log']))).toEqual([
    '--name has no effect in the foreground; it is for devwatch start',
    '--log has no effect in the foreground; it is for devwatch start',
  ]);
});
