import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { isUnread } from '../../../../src/process/launch/readers.ts';
import { createProject } from '../../../support/project.ts';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;

describe('output has no reader', () => {
  test('if the other end of its pipe is closed', async () => {
    await using project = createProject({});
    execFileSync('mkfifo', [project.at('pipe')]);
    const reader = fs.openSync(project.at('pipe'), O_RDONLY | O_NONBLOCK);
    const writer = fs.openSync(project.at('pipe'), O_WRONLY);
    expect(isUnread(writer)).toBe(false);
    fs.closeSync(reader);
    expect(isUnread(writer)).toBe(true);
    fs.closeSync(writer);
  });

  test('if the other end of its socket is closed', async () => {
    await using project = createProject({});
    const server = net.createServer();
    await once(server.listen(project.at('socket')), 'listening');
    const client = net.connect({ path: project.at('socket'), allowHalfOpen: true });
    const [reader] = (await once(server, 'connection')) as [net.Socket];
    const { fd } = (client as unknown as { _handle: { fd: number } })._handle;
    expect(isUnread(fd)).toBe(false);
    reader.destroy();
    await once(client.resume(), 'end');
    expect(isUnread(fd)).toBe(true);
    client.destroy();
    server.close();
  });

  test('unless it is no pipe and no socket', async () => {
    await using project = createProject({ 'output.log': '' });
    const file = fs.openSync(project.at('output.log'), 'a');
    expect(isUnread(file)).toBe(false);
    fs.closeSync(file);
    expect(isUnread(file)).toBe(false);
  });
});
