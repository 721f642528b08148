import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { PreloadMessage } from '../../../../src/preload/protocol.ts';
import { readMessages } from '../../../../src/process/launch/channel.ts';

test('a channel passes on valid messages and ignores everything else', () => {
  const stream = new PassThrough();
  const messages: PreloadMessage[] = [];
  readMessages(stream, (message) => messages.push(message));
  const lines = [
    '{"type":"begins"}',
    'no JSON',
    'null',
    '{}',
    '{"type":"constructor"}',
    '{"type":"loads"}',
    '{"type":"loads","file":"/project/a.js"}',
    '{"type":"package","file":"/project/a.js","kind":"other"}',
    '{"type":"parked","files":["/project/a.js",1]}',
    '{"type":"address-in-use"}',
    '{"type":"listens","id":"1","key":"-1 /run/app.sock -1 0","path":"/run/app.sock"}',
    '{"type":"listens","id":"2","key":"6 :: 80 0","port":80,"role":"main"}',
    '{"type":"holds","socket":{"id":"1","key":"6 :: 80 0"}}',
    '{"type":"holds","socket":{"id":"1","key":"6 :: 80 0","slot":0}}',
    '{"type":"uncaught","fault":"other"}',
    '{"type":"uncaught","missing":{"from":"/project/a.js"}}',
    '{"type":"uncaught","missing":{"request":"./b"}}',
    '{"type":"uncaught","thrown":[{"name":"Error","message":"x"}]}',
    '{"type":"uncaught","thrown":[{"name":"Error","message":"x","stack":"Error: x"}]}',
  ];
  const text = `${lines.join('\n')}\n`;
  stream.emit('data', text.slice(0, 30));
  stream.emit('data', text.slice(30));
  expect(messages).toEqual([
    { type: 'begins' },
    { type: 'loads', file: '/project/a.js' },
    { type: 'listens', id: '1', key: '-1 /run/app.sock -1 0', path: '/run/app.sock' },
    { type: 'holds', socket: { id: '1', key: '6 :: 80 0', slot: 0 } },
    { type: 'uncaught', missing: { request: './b' } },
    { type: 'uncaught', thrown: [{ name: 'Error', message: 'x', stack: 'Error: x' }] },
  ]);
});
