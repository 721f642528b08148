// How programs end: at a save, by themselves, by Ctrl-C, and what they leave.

import assert from 'node:assert/strict';
import { caller, isAlive, isWindows } from '../rig.mjs';

/** Starts children of several kinds, which call as well: each is named by what it is. */
const family = `
const { spawn } = require('node:child_process');
const options = { stdio: 'ignore', windowsHide: true };
spawn(process.execPath, ['child.js', 'plain'], options);
spawn(process.execPath, ['child.js', 'detached'], { ...options, detached: true }).unref();
spawn('node child.js shell', { ...options, shell: true });
`;
const kinds = ['plain', 'detached', 'shell'];

async function startFamily(rig, program = '') {
  rig.write('child.js', caller());
  rig.write('server.js', `${family}${program}${caller()}`);
  const app = await rig.start(['server.js']);
  const root = await rig.call(({ argv }) => argv.length === 0);
  const children = [];
  for (const kind of kinds) children.push(await rig.call(({ argv }) => argv[0] === kind));
  await app.watches();
  return { app, root, all: [root, ...children] };
}

/** Says when it is asked to end, and ends. */
const asked = (signal) => `process.on('${signal}', () => { console.log('asked by ${signal}'); process.exit(0); });\n`;

export const scenarios = [
  {
    name: 'a save ends the program, its detached children and those of a shell',
    async run(rig) {
      const { all } = await startFamily(rig);
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      for (const one of all) await one.gone;
    },
  },
  {
    name: 'a program that crashes leaves no children',
    async run(rig) {
      const { root, all } = await startFamily(rig);
      root.send('crash');
      const next = await rig.call(({ argv }) => argv.length === 0);
      for (const one of all) await one.gone;
      assert.notEqual(next.pid, root.pid);
    },
  },
  {
    name: 'a program that exits leaves no children when the next one runs',
    async run(rig) {
      const { app, root, all } = await startFamily(rig);
      root.send('exit 0');
      await app.event('exit');
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      for (const one of all) await one.gone;
    },
  },
  {
    name: 'exit handlers run, and see the code',
    async run(rig) {
      rig.write('server.js', `process.on('exit', (code) => console.log('exits with', code));\n${family}${caller()}`);
      rig.write('child.js', caller());
      const app = await rig.start(['--restart', 'never', 'server.js']);
      const root = await rig.call(({ argv }) => argv.length === 0);
      for (const kind of kinds) await rig.call(({ argv }) => argv[0] === kind);
      root.send('exit 3');
      const { outcome } = await app.event('crash');
      assert.equal(outcome.code, 3);
      await rig.until('the output', () => app.text().includes('exits with 3'));
    },
  },
  {
    name: 'a crash prints its stack, and names the place',
    async run(rig) {
      rig.write('server.js', `require('node:child_process');\nthrow new TypeError('no such thing');\n`);
      const app = await rig.start(['server.js']);
      const { outcome } = await app.event('crash');
      assert.equal(outcome.uncaught.location.file, rig.at('server.js'));
      assert.equal(outcome.uncaught.location.line, 2);
      await rig.until('the stack', () => app.text().includes('TypeError: no such thing'));
    },
  },
  {
    name: 'a program that crashes after it has come up is started again',
    async run(rig) {
      rig.write('server.js', caller());
      const app = await rig.start(['server.js']);
      (await rig.call()).send('crash');
      await app.event('crash', ({ next }) => next.kind === 'restart');
      await rig.call();
    },
  },
  {
    name: '--exit-on-crash ends with the code of the program',
    async run(rig) {
      rig.write('server.js', 'process.exit(9);');
      assert.equal((await rig.run(['--exit-on-crash', 'server.js'])).code, 9);
    },
  },
  {
    name: 'a Node program is asked to end at a save: its handlers of SIGTERM run',
    async run(rig) {
      rig.write('server.js', `${asked('SIGTERM')}${caller()}`);
      const app = await rig.start(['server.js']);
      const first = await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await first.gone;
      assert.match(app.text(), /asked by SIGTERM/);
    },
  },
  {
    name: 'a Node program that handles SIGTERM and stays is killed after the grace period',
    async run(rig) {
      rig.write('server.js', `process.on('SIGTERM', () => console.log('stays'));\n${caller()}`);
      const app = await rig.start(['--kill-timeout', '1s', 'server.js']);
      const first = await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await app.event('stopping', ({ stage }) => stage === 'killing');
      await rig.call(({ version }) => version === 2);
      await first.gone;
      assert.match(app.text(), /stays/);
    },
  },
  {
    name: '--signal with a signal of POSIX asks a Node program to end',
    async run(rig) {
      rig.write('server.js', `${asked('SIGUSR2')}${caller()}`);
      rig.write('nodemon.json', '{"signal": "SIGUSR2"}');
      const app = await rig.start(['server.js']);
      const first = await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await first.gone;
      assert.match(app.text(), /asked by SIGUSR2/);
    },
  },
  {
    name: '--signal message asks a Node program to end',
    async run(rig) {
      const handler = "process.on('message', (text) => { console.log('asked by', text); process.exit(0); });\n";
      rig.write('server.js', `${handler}${caller()}`);
      const app = await rig.start(['--signal', 'message', 'server.js']);
      const first = await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await first.gone;
      assert.match(app.text(), /asked by shutdown/);
    },
  },
  {
    name: 'Ctrl-C ends the program and all its children, with code 130',
    async run(rig) {
      rig.write('child.js', caller());
      rig.write('server.js', `${family}${asked('SIGINT')}${caller()}`);
      const app = await rig.start(['server.js'], { console: true });
      const all = [await rig.call(({ argv }) => argv.length === 0)];
      for (const kind of kinds) all.push(await rig.call(({ argv }) => argv[0] === kind));
      app.interrupt();
      assert.equal(await app.exited(), 130);
      for (const one of all) await one.gone;
      assert.match(app.text(), /asked by SIGINT/);
    },
  },
  {
    name: 'a second Ctrl-C kills a program that ignores the first',
    async run(rig) {
      rig.write('server.js', `process.on('SIGINT', () => console.log('ignored'));\n${caller()}`);
      const app = await rig.start(['--kill-timeout', '1m', 'server.js'], { console: true, plain: true });
      const root = await rig.call();
      app.interrupt();
      await rig.until('the offer to kill', () => app.text().includes('again to kill'));
      assert.match(app.text(), /ignored/);
      app.interrupt();
      assert.equal(await app.exited(), 130);
      await root.gone;
    },
  },
  {
    name: 'Ctrl-C ends what npm runs',
    async run(rig) {
      rig.write('server.js', caller());
      rig.write('package.json', JSON.stringify({ scripts: { serve: 'node server.js' } }));
      const app = await rig.start(['--', 'npm', 'run', 'serve'], { console: true });
      const root = await rig.call();
      app.interrupt();
      assert.equal(await app.exited(), 130);
      await root.gone;
      assert.equal(isAlive(root.pid), false);
    },
  },
  {
    name: 'a Node program ends when devwatch is killed',
    async run(rig) {
      rig.write('server.js', caller());
      const app = await rig.start(['server.js']);
      const root = await rig.call();
      await app.watches();
      app.kill();
      await root.gone;
    },
    skip: () => !isWindows && process.platform !== 'linux' && process.platform !== 'darwin' && 'no guardian here',
  },
];
