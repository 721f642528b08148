import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { forwardOutput, type Output } from '../../../../src/process/launch/output.ts';
import { createDeferred } from '../../../../src/shared/deferred.ts';

/** Output that takes a chunk and then nothing more until `release`. */
function createSlowOutput() {
  const shown: string[] = [];
  let room = createDeferred<void>();
  const take = (chunk: Buffer): Promise<void> => {
    shown.push(String(chunk));
    return room.promise;
  };
  const output: Output = { stdout: take, stderr: take, ended: (name) => shown.push(`${name} ended`) };
  const release = (): void => {
    room.resolve();
    room = createDeferred();
  };
  return { shown, output, release };
}

/** The streams of a run that prints on stdout alone. */
const openRun = () => ({ stdout: new PassThrough({ highWaterMark: 1 }), stderr: null });

/** Lets the streams pass on all that they can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
}

describe('the forwarded output', () => {
  test('of the next run follows the rest of the output of the run before, however late that is read', async () => {
    const { shown, output, release } = createSlowOutput();
    const [first, second] = [openRun(), openRun()];
    void forwardOutput(first, () => {}, output);
    first.stdout.write('1');
    first.stdout.end('2');
    await settle();
    const forwarded = forwardOutput(second, () => {}, output, first);
    second.stdout.end('3');
    await settle();
    expect(shown).toEqual(['1']);
    release();
    await forwarded;
    expect(shown).toEqual(['1', '2', 'stdout ended', '3', 'stdout ended']);
  });

  test('of the next run does not wait for a process of the run before that lives on', async () => {
    const chunks: string[] = [];
    const output: Output = { stdout: (chunk) => void chunks.push(String(chunk)), stderr: () => undefined };
    const [first, second] = [openRun(), openRun()];
    void forwardOutput(first, () => {}, output);
    first.stdout.write('1');
    void forwardOutput(second, () => {}, output, first);
    second.stdout.write('2');
    await settle();
    expect(chunks).toEqual(['1', '2']);
  });
});
