/** `devwatch reload`: makes programs in the background read their settings again. */

import { request } from '../background/control-client.ts';
import type { BackgroundRecord } from '../background/records.ts';
import type { Reread } from '../run/settings-reloader.ts';
import { forEachEntry, notRunning } from './background-programs.ts';
import { exitCodes, print } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** Returns the exit code once the settings have been read. */
export const execute = ({ operands }: Invocation): Promise<number> =>
  forEachEntry(operands, 'reload', async ({ name, record, alive }) => {
    if (record !== undefined && alive) return reloadProgram(record);
    print(notRunning(name, alive));
    return exitCodes.failed;
  });

async function reloadProgram(record: BackgroundRecord): Promise<number> {
  const { changed, problem } = (await request(record, 'reload')) as Reread;
  if (problem !== undefined) {
    print(`${record.name}: ${problem} · the old settings stay in force`);
    return exitCodes.failed;
  }
  const difference = changed.length === 0 ? 'no changes' : `changed: ${changed.join(', ')}`;
  print(`${record.name} has read its settings again · ${difference}`);
  return exitCodes.ok;
}
