import { describe, expect, test } from 'vitest';
import { UnwatchedSaves } from '../../../src/watch/unwatched-saves.ts';

function open(written: () => number | undefined = () => undefined) {
  const reported: string[] = [];
  const saves = new UnwatchedSaves({
    written,
    accepts: (file) => file.endsWith('.js'),
    onSave: (file) => reported.push(file),
  });
  saves.begin();
  return { saves, reported };
}

test('the first file of each extension is reported', () => {
  const { saves, reported } = open();
  const files = ['/p/a.graphql', '/p/b.graphql', '/p/c.yaml', '/p/a.graphql', '/p/views/public.html'];
  for (const file of files) saves.changed(file);
  expect(reported).toEqual(['/p/a.graphql', '/p/c.yaml', '/p/views/public.html']);
});

test('a file of variables is reported once, whatever its name', () => {
  const { saves, reported } = open();
  for (const file of ['/p/.env', '/p/.env.local', '/p/.env.development.local']) saves.changed(file);
  expect(reported).toEqual(['/p/.env']);
});

test.each([
  'README.md',
  'logo.PNG',
  'page.css',
  'public/index.html',
  'web/static/docs/help.htm',
  'app.log',
  'data.sqlite',
  'Makefile',
  '.env.example',
  'a.js~',
  '.a.yaml.swp',
  'a.js.new',
  'a.yaml.1234',
])('a save of %s is not reported: a server does not read it', (name) => {
  const { saves, reported } = open();
  saves.changed(`/p/${name}`);
  expect(reported).toEqual([]);
});

describe('a program that writes files', () => {
  test('is not reported for its own writes', () => {
    let bytes = 0;
    const { saves, reported } = open(() => bytes);
    for (let count = 0; count < 3; count += 1) {
      bytes += 4096;
      saves.changed('/p/state.yaml');
    }
    expect(reported).toEqual([]);
  });

  test('does not hide a save that comes while it writes nothing', () => {
    let bytes = 0;
    const { saves, reported } = open(() => bytes);
    bytes = 4096;
    saves.changed('/p/state.yaml');
    saves.changed('/p/schema.graphql');
    expect(reported).toEqual(['/p/schema.graphql']);
  });

  test('has written nothing when it begins', () => {
    let bytes = 0;
    const { saves, reported } = open(() => bytes);
    bytes = 8192;
    saves.begin();
    saves.changed('/p/schema.graphql');
    expect(reported).toEqual(['/p/schema.graphql']);
  });
});
