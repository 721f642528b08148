import { expect, test } from 'vitest';
import { UsageError } from '../../../src/shared/errors.ts';
import { takeSockets } from '../../../src/systemd/socket-activation.ts';

/** The variables of a service manager that announces so many sockets. */
const announced = (count: string): NodeJS.ProcessEnv => ({ LISTEN_PID: String(process.pid), LISTEN_FDS: count });

test.each([
  ['4294967296', /^LISTEN_FDS is 4294967296, but descriptor \d+ is not a socket$/],
  ['9'.repeat(400), /, but descriptor \d+ is not a socket$/],
  ['Infinity', /^LISTEN_FDS is "Infinity", but takes the number of sockets$/],
  ['-1', /takes the number of sockets/],
  ['1.5', /takes the number of sockets/],
  ['', /takes the number of sockets/],
])('LISTEN_FDS=%s is refused with a message', (count, message) => {
  const env = announced(count);
  expect(() => takeSockets(env)).toThrow(message);
  expect(() => takeSockets(announced(count))).toThrow(UsageError);
  expect(env).toEqual({});
});

test('no sockets are taken that are announced to another process, or not at all', () => {
  expect(takeSockets({ LISTEN_PID: '1', LISTEN_FDS: 'x' })).toEqual([]);
  expect(takeSockets({ LISTEN_PID: String(process.pid) })).toEqual([]);
});
