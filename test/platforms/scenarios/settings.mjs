// Settings files, hooks, several programs.

import assert from 'node:assert/strict';
import path from 'node:path';
import { caller, isWindows, server } from '../rig.mjs';

/** A hook that is a script in a folder, by a path with the separators of the system. */
const hook = `node ${path.join('tools', 'hook.js')}`;

export const scenarios = [
  {
    name: '.watchrc with CRLF, BOM and comments',
    async run(rig) {
      rig.write('server.js', caller());
      rig.write('.watchrc', '\ufeff{\r\n  // a comment\r\n  "script": "server.js",\r\n  "args": ["one"]\r\n}\r\n');
      await rig.start([]);
      assert.deepEqual((await rig.call()).says.argv, ['one']);
    },
  },
  {
    name: 'a mistake in .watchrc is reported with its place',
    async run(rig) {
      rig.write('.watchrc', '\ufeff{\r\n  "script": "server.js",\r\n  "wathc": "src"\r\n}\r\n');
      const { code, text } = await rig.run([]);
      assert.equal(code, 2);
      assert.match(text, /\.watchrc:3:3: unknown key "wathc"/);
    },
  },
  {
    name: 'a change of .watchrc takes effect at once',
    async run(rig) {
      rig.write('server.js', caller());
      rig.write('.watchrc', '{"script": "server.js", "args": ["one"]}');
      const app = await rig.start([]);
      await rig.call();
      await app.watches();
      rig.write('.watchrc', '{"script": "server.js", "args": ["two"]}');
      await rig.call(({ argv }) => argv[0] === 'two');
    },
  },
  {
    name: '--env-file is read at every start',
    async run(rig) {
      rig.write('.env', 'COLOUR="green"\r\nNUMBER=1\r\n');
      rig.write(
        'server.js',
        'require(process.env.TEST_DIAL)({ colour: process.env.COLOUR, number: process.env.NUMBER });',
      );
      const app = await rig.start(['--env-file', '.env', 'server.js']);
      const { says } = await rig.call();
      assert.deepEqual([says.colour, says.number], ['green', '1']);
      await app.watches();
      rig.write('.env', 'COLOUR="red"\r\n');
      await rig.call(({ colour }) => colour === 'red');
    },
  },
  {
    name: 'hooks run, by paths with the separators of the system',
    async run(rig) {
      rig.write('tools/hook.js', 'require(process.env.TEST_DIAL)({ hook: process.env.DEVWATCH_EVENT }).end();');
      rig.write('server.js', server('one'));
      rig.write(
        '.watchrc',
        JSON.stringify({ script: 'server.js', on: { start: hook, ready: ['node', path.join('tools', 'hook.js')] } }),
      );
      await rig.start([]);
      await rig.call(({ hook }) => hook === 'start');
      await rig.call(({ hook }) => hook === 'ready');
    },
  },
  {
    name: 'hooks run lines of the shell, and npm',
    async run(rig) {
      rig.write('tools/hook.js', 'require(process.env.TEST_DIAL)({ hook: process.env.DEVWATCH_EVENT }).end();');
      rig.write('package.json', JSON.stringify({ scripts: { hook: 'node tools/hook.js' } }));
      rig.write('server.js', server('one'));
      rig.write(
        '.watchrc',
        JSON.stringify({ script: 'server.js', on: { start: { shell: `${hook} && ${hook}` }, ready: 'npm run hook' } }),
      );
      await rig.start([]);
      await rig.call(({ hook }) => hook === 'start');
      await rig.call(({ hook }) => hook === 'start');
      await rig.call(({ hook }) => hook === 'ready');
    },
  },
  {
    name: '--on-ready runs a command when the program listens',
    async run(rig) {
      rig.write('tools/hook.js', 'require(process.env.TEST_DIAL)({ hook: process.env.DEVWATCH_EVENT }).end();');
      rig.write('server.js', server('one'));
      await rig.start(['--on-ready', hook, 'server.js']);
      await rig.call(({ hook }) => hook === 'ready');
    },
  },
  {
    name: 'several programs, one after the other is ready',
    async run(rig) {
      rig.write('api.js', server('api'));
      rig.write('web.js', caller({ web: true }));
      rig.write(
        '.watchrc',
        JSON.stringify({
          apps: {
            web: { script: 'web.js', after: ['api'], watch: ['web.js'] },
            api: { script: 'api.js', watch: ['api.js'] },
          },
        }),
      );
      const app = await rig.start([]);
      const api = await rig.call(({ text }) => text === 'api');
      const web = await rig.call((says) => says.web);
      await app.event('watching', (event) => event.app === 'web');
      rig.write('web.js', caller({ web: 2 }));
      await rig.call((says) => says.web === 2);
      await web.gone;
      assert.equal(api.isAlive(), true);
    },
  },
  {
    name: 'Ctrl-C ends several programs',
    async run(rig) {
      rig.write('a.js', caller({ program: 'a' }));
      rig.write('b.js', caller({ program: 'b' }));
      rig.write('.watchrc', JSON.stringify({ apps: ['a.js', 'b.js'] }));
      const app = await rig.start([], { console: true });
      const all = [await rig.call(), await rig.call()];
      app.interrupt();
      assert.equal(await app.exited(), 130);
      for (const one of all) await one.gone;
    },
  },
  {
    name: 'explain, config, init and doctor',
    async run(rig) {
      rig.write('server.js', caller());
      const explained = await rig.run(['explain', 'server.js', '--', 'server.js']);
      assert.equal(explained.code, 0);
      assert.match(explained.text, /server\.js/);
      assert.equal((await rig.run(['init'])).code, 0);
      assert.match((await rig.run(['config'])).text, /server\.js/);
      const doctor = await rig.run(['doctor']);
      assert.ok([0, 1].includes(doctor.code), doctor.text);
    },
  },
  {
    name: 'explain takes names in any case where the system does',
    skip: () => !isWindows && process.platform !== 'darwin' && 'names are compared with case here',
    async run(rig) {
      rig.write('server.js', caller());
      const { text } = await rig.run(['explain', 'SERVER.JS', '--', 'server.js']);
      assert.match(text, /restarts/);
    },
  },
];
