import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { findPortHolders, listeningSockets, listPortHolders } from '../../../../src/process/sockets/port-holders.ts';
import { commandLine, isProcess, lastPid, listPids, parseStat, readStat } from '../../../../src/process/tree/proc.ts';

const fields = 'S 10 20 30 34816 20 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200';

test.each([
  ['node', 'node'],
  ['a b', 'a b'],
  [') (x', ') (x'],
  ['x) S 1 1 1 (y', 'x) S 1 1 1 (y'],
  ['line\nbreak', 'line\nbreak'],
  ['', ''],
])('parseStat reads a line with the command %j', (command) => {
  expect(parseStat(`42 (${command}) ${fields}`)).toEqual({
    pid: 42,
    command,
    state: 'S',
    parent: 10,
    group: 20,
    session: 30,
    foreground: 20,
    startTime: '98765',
  });
});

test.each(['', 'nonsense', '42 (open', ') 42 ('])('parseStat rejects %j', (text) => {
  expect(parseStat(text)).toBeUndefined();
});

test('readStat and its like read a live process, and find no reaped one', async () => {
  const child = spawn('/bin/sleep', ['500'], { stdio: 'ignore' });
  const pid = child.pid ?? 0;
  await once(child, 'spawn');
  expect(readStat(pid)).toMatchObject({ pid, parent: process.pid, command: 'sleep' });
  expect(commandLine(pid)).toBe('/bin/sleep 500');
  expect(listPids()).toContain(pid);
  expect(isProcess(pid)).toBe(true);
  expect(lastPid()).toBeGreaterThanOrEqual(pid);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  expect(readStat(pid)).toBeUndefined();
  expect(isProcess(pid)).toBe(false);
});

describe('the listening sockets of a port', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0 0 10 0
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:0BB8 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1000        0 333 1 0 20 4 30 10 -1
   3: 0100007F:00BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 444 1 0 100 0 0 10 0`;

  test('are those that listen on it, on any address', () => {
    expect(listeningSockets(table, 3000)).toEqual(['111', '222']);
    expect(listeningSockets(table, 187)).toEqual(['444']);
    expect(listeningSockets(table, 80)).toEqual([]);
  });

  test('lead to a server alone, not to the children that have inherited them', async () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        `const server = require('net').createServer().listen(0, () => {
          const worker = require('child_process').spawn('sleep', ['600'], { stdio: [server._handle.fd, 'ignore', 'ignore'] });
          console.log(JSON.stringify([server.address().port, worker.pid]));
        });
        process.on('SIGTERM', () => process.exit());`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [port, worker] = JSON.parse(line.toString()) as [number, number];
    try {
      expect(listPortHolders(port).sort()).toEqual([child.pid, worker].sort());
      expect(findPortHolders(port).map(({ pid }) => pid)).toEqual([child.pid]);
    } finally {
      process.kill(worker);
      child.kill();
      await once(child, 'close');
    }
  });

  test('lead to the process that holds them', async () => {
    const server = net.createServer().listen(0, '::1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    expect(findPortHolders(port).map(({ pid }) => pid)).toEqual([process.pid]);
    server.close();
    await once(server, 'close');
    expect(findPortHolders(port)).toEqual([]);
  });
});
