// Readiness, health, live reload, held ports, the background: where a platform lacks something, one line tells.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { caller, isWindows, server } from '../rig.mjs';

const onlyWindows = () => !isWindows && 'works here: the end-to-end tests show it';

const get = (url) =>
  new Promise((resolve, reject) => {
    http
      .get(url, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve(body));
      })
      .on('error', reject);
  });

const freePort = () =>
  new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** A refusal is one line, which says how to go on. */
async function refuses(rig, args, pattern) {
  rig.write('server.js', caller());
  const { code, text } = await rig.run(args);
  assert.equal(code, 2, text);
  assert.match(text, pattern);
  assert.equal(text.trimEnd().split('\n').length, 1, text);
}

export const scenarios = [
  {
    name: 'a server is ready when it listens',
    async run(rig) {
      rig.write('server.js', server('one'));
      const app = await rig.start(['server.js']);
      const { says } = await rig.call();
      assert.equal((await app.event('ready')).port, says.port);
      rig.write('server.js', server('two'));
      const next = await rig.call(({ text }) => text === 'two');
      assert.equal((await app.event('ready', ({ run }) => run > 1)).port, next.says.port);
    },
  },
  {
    name: 'a server on a fixed port is restarted without losing it',
    async run(rig) {
      const PORT = String(await freePort());
      rig.write('server.js', server('one'));
      const app = await rig.start(['server.js'], { env: { PORT } });
      await rig.call(({ text }) => text === 'one');
      await app.watches();
      for (const text of ['two', 'three', 'four']) {
        rig.write('server.js', server(text));
        await rig.call((says) => says.text === text);
        assert.equal(await get(`http://127.0.0.1:${PORT}/`), text);
      }
    },
  },
  {
    name: '--ready by HTTP, by a text in the output, and by a message',
    async run(rig) {
      const PORT = String(await freePort());
      rig.write('server.js', server('one'));
      await (await rig.start(['--ready', `http://127.0.0.1:${PORT}/`, 'server.js'], { env: { PORT } })).event('ready');
      rig.write('text.js', `console.log('it is up');\n${caller()}`);
      await (await rig.start(['--ready', '/is up/', 'text.js'])).event('ready');
      rig.write('message.js', `process.send('ready');\n${caller()}`);
      await (await rig.start(['--ready', 'message', 'message.js'])).event('ready');
    },
  },
  {
    name: '--health http restarts a server that does not answer any more',
    async run(rig) {
      const PORT = String(await freePort());
      rig.write(
        'server.js',
        `let isDead = false;
const server = require('node:http').createServer((_, response) => isDead || response.end('ok'));
server.listen(Number(process.env.PORT), '127.0.0.1', () => {
  require(process.env.TEST_DIAL)({}).on('data', (text) => { isDead ||= String(text).includes('hang'); });
});
`,
      );
      rig.write(
        '.watchrc',
        JSON.stringify({
          script: 'server.js',
          health: { probe: `http://127.0.0.1:${PORT}/`, interval: 50, timeout: 300, grace: '30s' },
        }),
      );
      const app = await rig.start([], { env: { PORT } });
      const first = await rig.call();
      await app.event('ready');
      first.send('hang');
      await app.event('crash');
      await rig.call();
      await first.gone;
    },
  },
  {
    name: '--health event-loop restarts a program that is stuck',
    async run(rig) {
      rig.write(
        'server.js',
        `const server = require('node:http').createServer();
server.listen(0, '127.0.0.1', () => {
  require(process.env.TEST_DIAL)({}).on('data', (text) => { while (String(text).includes('hang')); });
});
`,
      );
      rig.write(
        '.watchrc',
        JSON.stringify({
          script: 'server.js',
          health: { probe: 'event-loop', interval: 50, timeout: 500, grace: '30s' },
        }),
      );
      const app = await rig.start([]);
      const first = await rig.call();
      await app.event('ready');
      first.send('hang');
      await app.event('crash');
      await rig.call();
      await first.gone;
    },
  },
  {
    name: 'live reload tells pages that the program is up again',
    async run(rig) {
      const port = String(await freePort());
      rig.write('server.js', server('one'));
      const app = await rig.start([`--live-reload=${port}`, 'server.js']);
      await app.event('liveReload');
      await app.event('ready');
      await app.watches();
      assert.match(await get(`http://127.0.0.1:${port}/client.js`), /EventSource/);
      const told = new Promise((resolve, reject) => {
        http
          .get(`http://127.0.0.1:${port}/events`, (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk) => {
              text += chunk;
              if (text.includes('reload')) resolve(response.destroy());
            });
          })
          .on('error', reject);
      });
      rig.write('server.js', server('two'));
      await told;
    },
  },
  {
    name: '--max-memory tells that it does nothing here',
    skip: onlyWindows,
    async run(rig) {
      rig.write('server.js', caller());
      const app = await rig.start(['--max-memory', '10M', 'server.js']);
      const { features } = await app.event('limitation', (event) => event.features.some((one) => /memory/.test(one)));
      assert.equal(features.length, 1);
    },
  },
  {
    name: 'a port that is taken is named',
    async run(rig) {
      const other = net.createServer();
      await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address();
      try {
        rig.write('server.js', server('one'));
        const app = await rig.start(['server.js'], { env: { PORT: String(port) } });
        assert.equal((await app.event('portTaken')).port, port);
      } finally {
        other.close();
      }
    },
  },
  {
    name: '--stdin pipe gives the program what is written to devwatch',
    async run(rig) {
      rig.write('server.js', `process.stdin.on('data', (text) => console.log('got', String(text)));\n${caller()}`);
      const app = await rig.start(['--stdin', 'pipe', 'server.js'], { input: 'pipe' });
      await rig.call();
      app.write('some words\n');
      await rig.until('the words', () => app.text().includes('got some words'));
    },
  },
  {
    name: 'start is refused in one line',
    skip: onlyWindows,
    run: (rig) => refuses(rig, ['start', 'server.js'], /background on Windows.* · /),
  },
  {
    name: 'list and stop are refused in one line',
    skip: onlyWindows,
    async run(rig) {
      await refuses(rig, ['list'], /background on Windows.* · /);
      await refuses(rig, ['stop', 'server'], /background on Windows.* · /);
    },
  },
  {
    name: 'unit is refused in one line',
    skip: () => process.platform !== 'win32' && 'works here: the end-to-end tests show it',
    run: (rig) => refuses(rig, ['unit', 'server.js'], /systemd.* · /),
  },
  {
    name: '--hold=port is refused in one line',
    skip: onlyWindows,
    run: (rig) => refuses(rig, ['--hold=8123', '--exec', 'node server.js'], /hold.*Windows.* · /),
  },
  {
    name: 'nothing is written into the project',
    async run(rig) {
      rig.write('server.js', caller());
      const app = await rig.start(['server.js']);
      await rig.call();
      await app.watches();
      assert.deepEqual(fs.readdirSync(rig.project), ['server.js']);
      assert.equal(path.basename(rig.project), 'my project');
    },
  },
];
