import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { createProject } from '../support/project.ts';

const folders = 500;
const files = 10_000;
const maxEdits = 1000;

/** A program that reports how many of its files have been edited when it reads them. */
const program = `
const fs = require('fs');
let edited = 0;
for (let folder = 0; folder < ${folders}; folder += 1) {
  for (const name of fs.readdirSync('f' + folder)) {
    if (name.endsWith('.js') && fs.readFileSync('f' + folder + '/' + name, 'utf8') === 'edited') edited += 1;
  }
}
require(process.env.TEST_DIAL)({ edited });
`;

test('the program misses no edit made while a tree of 10,000 files is being scanned', async () => {
  const project = createProject({ 'server.js': program }, 'large');
  for (let folder = 0; folder < folders; folder += 1) fs.mkdirSync(project.at(`f${folder}`));
  for (let file = 0; file < files; file += 1) fs.writeFileSync(project.at(`f${file % folders}/${file}.js`), '');
  await using app = await start({ project, args: ['server.js'] });
  const { time: startedAt } = (await app.event('start')) as unknown as { time: string };

  // The edits are spread over all folders and continue until the scan is over.
  const editedAt: number[] = [];
  const missing = new Set<string>();
  const isWatching = (): boolean => app.events.some(({ event }) => event === 'watching');
  while (editedAt.length < 100 || (!isWatching() && editedAt.length < maxEdits)) {
    const number = editedAt.length * 7;
    const isNew = editedAt.length % 4 === 0;
    const file = `f${number % folders}/${isNew ? 'new-' : ''}${number % files}.js`;
    if (editedAt.length % 4 === 1) app.replace(file, 'edited');
    else app.write(file, 'edited');
    missing.add(app.at(file));
    editedAt.push(Date.now());
    await nextTurn();
  }
  const edits = editedAt.length;

  // Some edits must have come before the watcher was armed, or the test proves nothing.
  const { time: watchingAt, files: counted } = (await app.event('watching')) as unknown as {
    time: string;
    files: number;
  };
  const early = editedAt.filter((at) => at > Date.parse(startedAt) && at < Date.parse(watchingAt));
  expect(early.length).toBeGreaterThan(0);
  expect(counted).toBeGreaterThan(files);
  console.log(`${edits} edits, ${early.length} of them before it watched`);

  // A restart for one edit lets the program see all of them, so each must also be reported.
  while (missing.size > 0) {
    const { changes } = await app.event('change');
    for (const change of changes) missing.delete(change.path);
  }
  await app.caller(({ says }) => says.edited === edits);
});
