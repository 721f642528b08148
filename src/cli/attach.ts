/** `devwatch attach`: shows the output of a program in the background and sends it what is typed. */

import { request, stream } from '../background/control-client.ts';
import type { BackgroundRecord } from '../background/records.ts';
import { UsageError } from '../shared/errors.ts';
import { notRunning, selectEntries } from './background-programs.ts';
import { note, printRaw } from './print.ts';
import { abortOnInterrupt } from './signals.ts';
import type { Invocation } from './subcommands.ts';

/** Bytes of input in one request: a line of the control protocol is limited. */
const maxRequestBytes = 32 * 1024;

/** Returns when the program has been stopped, or on Ctrl-C, which leaves the program running. */
export async function execute({ operands }: Invocation): Promise<void> {
  const [entry, ...others] = selectEntries(operands, 'attach');
  if (!entry || others.length > 0) throw new UsageError('attach takes one program · devwatch attach [name]');
  const { record, name, alive } = entry;
  if (record === undefined || !alive) throw new UsageError(notRunning(name, alive));
  const abort = abortOnInterrupt();
  process.stdin.on('data', (chunk: Buffer) => {
    // Requests go one at a time: concurrent ones have no order.
    process.stdin.pause();
    sendInput(record, chunk).then(
      () => void (abort.signal.aborted || process.stdin.resume()),
      (error) => abort.abort(error),
    );
  });
  note(`attached to ${name} · Ctrl-C leaves it running`);
  try {
    for await (const item of stream(record, 'attach', { signal: abort.signal })) {
      printRaw(Buffer.from(String((item as { data?: unknown }).data ?? ''), 'base64'));
    }
  } finally {
    process.stdin.pause();
  }
  if (abort.signal.reason instanceof UsageError) throw abort.signal.reason;
  if (!abort.signal.aborted) note(`${name} has been stopped`);
}

async function sendInput(record: BackgroundRecord, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += maxRequestBytes) {
    const data = bytes.toString('base64', at, at + maxRequestBytes);
    await request(record, 'write', { params: { data } });
  }
}
