/** `devwatch delete`: deletes the records and logs of programs in the background that have ended. */

import { acquireName } from '../background/name-lock.ts';
import { type BackgroundEntry, deleteProgram, leftoverNames } from '../background/records.ts';
import { everything } from '../config/apps.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { actOnEach, selectEntries, terminateOrphansOf } from './background-programs.ts';
import { exitCodes, print } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** Returns the exit code; `all` and folders leave out programs that run. */
export async function execute({ operands }: Invocation): Promise<number> {
  const leftovers = leftoverNames();
  const isLeftover = (word: string): boolean => leftovers.includes(word);
  const words = operands.filter((word) => !isLeftover(word));
  const entries = operands.length > 0 && words.length === 0 ? [] : selectEntries(words, 'delete', true);
  const named = operands.includes(everything) ? leftovers : operands.filter(isLeftover);
  const isMeant = ({ name, alive }: BackgroundEntry): boolean => !alive || words.length === 0 || words.includes(name);
  const meant = [...entries.filter(isMeant), ...named.map((name) => ({ name, alive: false }))];
  if (meant.length === 0) print('no program has ended: nothing to delete');
  return actOnEach(meant, deleteOne);
}

async function deleteOne({ name, record, alive }: BackgroundEntry): Promise<number> {
  if (alive) {
    print(`${name} is running · devwatch stop ${name}`);
    return exitCodes.failed;
  }
  await terminateOrphansOf(record);
  deleteProgram(acquireName(name, workingFolder()));
  const kept = record === undefined || record.log.isTagged ? '' : ` · ${record.log.file} stays`;
  print(`${name} has been deleted${kept}`);
  return exitCodes.ok;
}
