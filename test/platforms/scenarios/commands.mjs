// Programs to run: scripts, commands of packages and of the system, batch files, lines for the shell.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { caller, isWindows } from '../rig.mjs';
import { npmShims, pnpmShims, yarnShims } from '../shims.mjs';

const onlyWindows = () => !isWindows && 'Windows only';
const inWine = () => process.env.DEVWATCH_WINE_8 && "Wine's cmd.exe does not quote as that of Windows";

/** Arguments that are hard to quote. */
const hardArguments = ['a b', 'say "hi"', 'a&b|c', 'c:\\d\\', '(x)', "it's", '^', 'ü'];

/** A package with a command, as package managers install it. */
function installTool(rig, shims) {
  rig.write('node_modules/tool/cli.js', `#!/usr/bin/env node\n${caller({ tool: true })}`);
  for (const [name, text] of Object.entries(shims)) {
    fs.chmodSync(rig.write(path.join('node_modules', '.bin', name), text), 0o755);
  }
}

/** Starts a command of a package, and shows that its arguments arrive and a save replaces it. */
async function runTool(rig, words) {
  const app = await rig.start(['--', ...words, ...hardArguments]);
  const first = await rig.call(({ tool }) => tool);
  assert.deepEqual(first.says.argv, hardArguments);
  await app.watches();
  rig.write('a.js', '1');
  await rig.call(({ tool }) => tool);
  await first.gone;
}

export const scenarios = [
  {
    name: 'node and a script',
    async run(rig) {
      rig.write('server.js', caller());
      await rig.start(['node', 'server.js', ...hardArguments]);
      assert.deepEqual((await rig.call()).says.argv, hardArguments);
    },
  },
  {
    name: 'node.exe and a script, with a flag for Node',
    skip: onlyWindows,
    async run(rig) {
      rig.write('server.js', caller());
      await rig.start(['--stack-trace-limit=7', 'node.exe', 'server.js']);
      await rig.call();
    },
  },
  {
    name: 'a script by its absolute path, and by one with the separators of the system',
    async run(rig) {
      rig.write('src/server.js', caller());
      await rig.start([rig.at('src', 'server.js')]);
      await rig.call();
      await rig.start([path.join('src', 'server.js')]);
      await rig.call();
    },
  },
  {
    name: 'a script whose name is written in another case',
    skip: () => !['win32', 'darwin'].includes(process.platform) && 'names are compared with case here',
    async run(rig) {
      rig.write('server.js', caller({ version: 1 }));
      const app = await rig.start(['SERVER.JS']);
      await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
    },
  },
  {
    name: "a command of a package, by npm's shims",
    async run(rig) {
      installTool(rig, npmShims);
      await runTool(rig, ['tool']);
    },
  },
  {
    name: "a command of a package, by pnpm's shims",
    async run(rig) {
      installTool(rig, pnpmShims);
      await runTool(rig, ['tool']);
    },
  },
  {
    name: "a command of a package, by Yarn's shims",
    async run(rig) {
      installTool(rig, yarnShims);
      await runTool(rig, ['tool']);
    },
  },
  {
    name: 'a command of a package by its path',
    async run(rig) {
      installTool(rig, npmShims);
      await runTool(rig, [path.join('node_modules', '.bin', 'tool')]);
    },
  },
  {
    name: 'npm run',
    async run(rig) {
      rig.write('server.js', caller());
      rig.write('package.json', JSON.stringify({ scripts: { serve: 'node server.js' } }));
      const app = await rig.start(['--', 'npm', 'run', 'serve']);
      const first = await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await first.gone;
    },
  },
  {
    name: '--exec with a line for the shell, and words appended to it',
    async run(rig) {
      rig.write('server.js', caller());
      const app = await rig.start(['--exec', 'echo begins && node', '--', 'server.js', 'a b']);
      assert.deepEqual((await rig.call()).says.argv, ['a b']);
      await rig.until('the output of the line', () => app.text().includes('begins'));
    },
  },
  {
    name: 'a batch file',
    skip: onlyWindows,
    async run(rig) {
      rig.write('server.js', caller());
      rig.write('run.bat', '@echo off\r\nnode server.js %*\r\n');
      const app = await rig.start(['run.bat', 'one', 'a b']);
      const first = await rig.call();
      assert.deepEqual(first.says.argv, ['one', 'a b']);
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await first.gone;
    },
  },
  {
    name: 'a batch file gets arguments that are hard to quote',
    skip: () => onlyWindows() || inWine(),
    async run(rig) {
      rig.write('server.js', caller());
      rig.write('run.bat', '@echo off\r\nnode server.js %*\r\n');
      await rig.start(['run.bat', ...hardArguments]);
      assert.deepEqual((await rig.call()).says.argv, hardArguments);
    },
  },
  {
    name: 'a command is found on the PATH of the settings',
    async run(rig) {
      installTool(rig, {});
      const bin = rig.at('tools');
      for (const [name, text] of Object.entries(npmShims)) {
        const moved = text.replaceAll(/\.\.([\\/])tool/g, '..$1node_modules$1tool');
        fs.chmodSync(rig.write(path.join(bin, name), moved), 0o755);
      }
      const PATH = [bin, process.env.PATH].join(path.delimiter);
      rig.write('.watchrc', JSON.stringify({ env: { PATH } }));
      await rig.start(['--', 'tool']);
      await rig.call(({ tool }) => tool);
    },
  },
  {
    name: 'a command that does not exist is refused in one line',
    async run(rig) {
      const { code, text } = await rig.run(['--', 'no-such-command']);
      assert.equal(code, 2);
      assert.match(text, /^devwatch: no-such-command: no such file or command in .*\n$/);
    },
  },
];
