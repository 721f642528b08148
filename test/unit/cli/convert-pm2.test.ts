/** The keys of pm2's ecosystem files: the settings of devwatch, and what is reported as missing. */

import { expect, test } from 'vitest';
import { appsOfPm2, convertPm2 } from '../../../src/cli/convert-pm2.ts';
import type { Converted } from '../../../src/config/nodemon.ts';

const convert = (fields: object): Converted => convertPm2({ apps: [{ script: 'a.js', ...fields }] }, '/project');

/** The behaviour of pm2 where a file says nothing. */
const usual = { script: 'a.js', watch: [], restart: 'always', signal: 'SIGINT' };

test.each([
  [{}, {}],
  [{ name: 'web' }, { name: 'web' }],
  [
    { script: './a.js', args: '--port 80 "a b"' },
    { script: './a.js', args: ['--port', '80', 'a b'] },
  ],
  [{ args: ['--port', 80] }, { args: ['--port', '80'] }],
  [{ script: '/project/src/a.js', cwd: '/project' }, { script: 'src/a.js' }],
  [{ cwd: './packages/web' }, { cwd: './packages/web' }],
  [{ node_args: '--inspect -r x' }, { nodeArgs: ['--inspect', '-r', 'x'] }],
  [{ nodeArgs: ['--inspect'] }, { nodeArgs: ['--inspect'] }],
  [{ interpreter: 'node' }, {}],
  [{ interpreter: 'none', script: './server' }, { script: './server' }],
  [
    { script: 'a.py', interpreter: 'python3', interpreter_args: '-u' },
    { script: 'a.py', exec: 'python3 -u' },
  ],
  [{ env: { A: 1, B: true, C: { d: 1 } } }, { env: { A: 1, B: 'true', C: '{"d":1}' } }],
  [{ env: { A: 'a' }, port: 3000 }, { env: { A: 'a', PORT: 3000 } }],
  [{ watch: false }, {}],
  [{ watch: true }, { watch: undefined, ext: '*' }],
  [{ watch: ['src', '/project/lib'] }, { watch: ['src', 'lib'], ext: '*' }],
  [
    { watch: true, ignore_watch: ['node_modules', '[\\/\\\\]\\./'] },
    { watch: undefined, ext: '*' },
  ],
  [
    { watch: 'src', ignore_watch: ['logs', 'src/gen', '*.log', '**/tmp'] },
    { watch: ['src'], ext: '*', ignore: ['./logs', 'src/gen', './*.log', '**/tmp'] },
  ],
  [{ watch_options: { usePolling: true, interval: 100 } }, { poll: true, pollInterval: 100 }],
  [{ watch_delay: 1000 }, { delay: 1000 }],
  [{ autorestart: false }, { restart: 'never' }],
  [{ stop_exit_codes: [0] }, { restart: 'on-crash' }],
  [{ stop_exit_codes: 0, autorestart: false }, { restart: 'never' }],
  [
    { max_restarts: 10, kill_timeout: 3000 },
    { maxRestarts: 10, killTimeout: 3000 },
  ],
  [{ shutdown_with_message: true }, { signal: 'message' }],
  [{ wait_ready: true }, { ready: 'message' }],
  [{ max_memory_restart: '300M' }, { maxMemory: '300M' }],
  [{ maxMemoryRestart: '1G' }, { maxMemory: '1G' }],
  [{ log_file: 'a.log' }, { log: 'a.log' }],
  [{ out_file: 'a.log', error_file: 'a.log' }, { log: 'a.log' }],
  [{ time: true }, { logTimestamps: true }],
  [{ log_date_format: 'YYYY' }, { logTimestamps: true }],
  [{ cron_restart: '0 4 * * *' }, { restartAt: '0 4 * * *' }],
  [{ cron: 0 }, {}],
  [{ source_map_support: true }, { nodeArgs: ['--enable-source-maps'] }],
  [{ instances: 1, exec_mode: 'fork', namespace: 'default', autostart: true, treekill: true, vizion: false }, {}],
])('%j is taken over', (fields, expected) => {
  const { settings, missing } = convert(fields);
  const wanted = { ...usual, ...expected };
  expect(settings).toEqual(JSON.parse(JSON.stringify(wanted)));
  expect(missing).toEqual([]);
});

test('a script with a blank is a line of a shell, as in pm2', () => {
  expect(convert({ script: 'npm run serve', args: 'ignored' }).settings).toEqual({
    ...usual,
    script: undefined,
    exec: 'npm run serve',
  });
});

test.each([
  [{ instances: 'max' }, 'instances', 'devwatch runs one process of a program'],
  [{ exec_mode: 'cluster' }, 'exec_mode', 'devwatch runs one process of a program'],
  [{ env_production: { A: 1 } }, 'env_production', 'a file has one set of variables'],
  [{ cron_restart: '0 25 * * *' }, 'cron_restart', 'restartAt has a bad hour "25"'],
  [{ restart_delay: 100 }, 'restart_delay', 'pauses between crashes'],
  [{ stop_exit_codes: [3] }, 'stop_exit_codes', 'only exit code 0'],
  [{ ignore_watch: [{ regexp: '/x/' }] }, 'ignore_watch', 'a regular expression (/x/)'],
  [{ out_file: 'a.log' }, 'out_file', 'stdout and stderr have logs of their own'],
  [{ interpreter: '/opt/node/bin/node' }, 'exec_interpreter', 'the Node that runs devwatch'],
  [{ script: 'npm start', wait_ready: true }, 'wait_ready', 'only a script that Node runs'],
  [{ max_memory_restart: 'lots' }, 'max_memory_restart', 'maxMemory takes a size'],
  [{ uid: 1000 }, 'uid', 'run devwatch as that user'],
  [{ trace: true }, 'trace', "pm2's monitoring service"],
  [{ wacth: true }, 'wacth', 'pm2 has no such key either'],
])('of %j, %s is reported as missing', (fields, key, reason) => {
  expect(convert(fields).missing).toEqual([{ key, reason: expect.stringContaining(reason) }]);
});

test('programs have valid, different names, and what they share stands at the top', () => {
  const apps = [
    { name: 'api server', script: 'api.js', watch: true },
    { name: 'web', script: 'web.js', watch: true, autorestart: false, uid: 1 },
    { script: 'web.js', watch: true },
  ];
  expect(convertPm2({ apps, deploy: {} }, '/project')).toEqual({
    settings: {
      apps: {
        'api-server': { script: 'api.js', restart: 'always' },
        web: { script: 'web.js', restart: 'never' },
        'web-2': { script: 'web.js', restart: 'always' },
      },
      ext: '*',
      signal: 'SIGINT',
    },
    missing: [
      { key: 'web: uid', reason: 'run devwatch as that user' },
      { key: 'deploy', reason: 'devwatch does not deploy' },
    ],
    remarks: ['the program "api server" is named api-server', 'the program "web" is named web-2'],
  });
});

test.each([
  [{ script: 'a.js' }, 1],
  [[{ script: 'a.js' }, { cmd: 'b' }], 2],
  [{ apps: { script: 'a.js' } }, 1],
  [{ pm2: [{ exec: 'a.js' }] }, 1],
  [{}, undefined],
  [{ apps: [] }, undefined],
  [{ apps: [{ name: 'web' }] }, undefined],
  ['text', undefined],
  [null, undefined],
])('%j declares %s programs', (content, count) => {
  expect(appsOfPm2(content)?.length).toBe(count);
});
