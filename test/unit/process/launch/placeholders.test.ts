import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { fillPlaceholders, placesScript } from '../../../../src/process/launch/placeholders.ts';

const odd = `a 'b' "c" $d \`e\` \\f.js`;

test.each([
  'echo {{filename}}',
  'echo "{{filename}}"',
  "echo '{{filename}}'",
  'echo x"{{filename}}"y',
  'echo \\"{{filename}}',
])('a shell reads the script in %s as one text', (line) => {
  const filled = fillPlaceholders(line, { script: odd, folder: '/' }, 'sh').replace('echo', 'printf "<%s>"');
  const text = execFileSync('/bin/sh', ['-c', filled], { encoding: 'utf8' });
  expect(text.replaceAll(/^<[x"]?|y?>$/g, '')).toBe(odd);
});

test.each([
  ['node {{filename}}', 'node src/a.js'],
  ['cd {{pwd}} && node {{filename}} {{filename}}', 'cd /home/me && node src/a.js src/a.js'],
  ['echo {{other}} {filename}', 'echo {{other}} {filename}'],
])('%s becomes %s', (line, filled) => {
  expect(fillPlaceholders(line, { script: 'src/a.js', folder: '/home/me' }, 'sh')).toBe(filled);
});

test('without a script its placeholder stays', () => {
  expect(fillPlaceholders('node {{filename}}', { script: undefined, folder: '/' }, 'sh')).toBe('node {{filename}}');
  expect(placesScript('node {{filename}}')).toBe(true);
  expect(placesScript('node {{pwd}}')).toBe(false);
});

test('for cmd.exe texts with blanks stand between double quotes', () => {
  const fill = (line: string): string => fillPlaceholders(line, { script: 'a b.js', folder: 'C:\\x' }, 'cmd');
  expect(fill('node {{filename}} "{{filename}}" {{pwd}}')).toBe('node "a b.js" "a b.js" C:\\x');
});
