import { expect, test } from 'vitest';
import type { Change } from '../../../src/shared/events.ts';
import { Digests } from '../../../src/watch/content-digests.ts';
import { createProject } from '../../support/project.ts';
import { aged } from './observe.ts';

const never = (): boolean => false;

test('digests report a save only when it changes the known content', async () => {
  await using project = createProject({ 'a.js': '1', 'b.js': '1' });
  const files = ['a.js', 'b.js'].map((name) => project.at(name));
  const changes = files.map((path): Change => ({ kind: 'change', path }));
  await aged();
  const digests = new Digests();
  await digests.learn(files, Date.now(), never);
  expect(digests.changed(changes)).toEqual([]);
  project.write('a.js', '2');
  project.replace('b.js', '1');
  expect(digests.changed(changes)).toEqual([changes[0]]);
  expect(digests.changed(changes)).toEqual([]);
  project.write('a.js', '1');
  expect(digests.changed(changes)).toEqual([changes[0]]);
});

test('digests report a deleted file and a new file', async () => {
  await using project = createProject({ 'a.js': '' });
  const [a, b] = [project.at('a.js'), project.at('b.js')];
  await aged();
  const digests = new Digests();
  await digests.learn([a], Date.now(), never);
  project.remove('a.js');
  project.write('b.js', '');
  const changes: Change[] = [
    { kind: 'unlink', path: a },
    { kind: 'add', path: b },
  ];
  expect(digests.changed(changes)).toEqual(changes);
});

test('digests do not know the content of a file saved after the program was started', async () => {
  await using project = createProject({ 'a.js': '1' });
  const file = project.at('a.js');
  await aged();
  const since = Date.now();
  project.write('a.js', '2');
  const digests = new Digests();
  await digests.learn([file], since, never);
  expect(digests.changed([{ kind: 'change', path: file }])).toHaveLength(1);
});
