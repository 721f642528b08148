// Runs everything that has to hold before a change is merged, and ends with the first step that fails: npm run check.
// Words select steps: npm run check -- types lint. .ci/run and the workflows run these steps as well.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

process.chdir(path.resolve(import.meta.dirname, '..'));

/** The steps in their order: a name, and the command that a person can run to repeat the step alone. */
export const steps = new Map([
  ['types', 'npm run typecheck'],
  ['lint', 'npm run lint'],
  ['unused', 'npx knip'],
  ['build', 'npm run build'],
  ['publint', 'npx publint --strict'],
  ['attw', 'npx attw --pack . --profile esm-only'],
  ['smoke', 'bash .ci/smoke.sh'],
  ['tests', 'npm test'],
  // The quick part of npm run test:as-macos.
  [
    'macos',
    'DEVWATCH_TEST_AS=darwin npx vitest run --project e2e test/e2e/restart test/e2e/signals test/e2e/survivors test/e2e/kept',
  ],
]);

if (process.argv[1] === import.meta.filename) check(process.argv.slice(2));

function check(names) {
  const unknown = names.filter((name) => !steps.has(name));
  if (unknown.length > 0)
    fail(`no step is named ${unknown.join(', ')} · the steps are: ${[...steps.keys()].join(' ')}`);
  const times = [];
  for (const [name, command] of steps) {
    if (names.length > 0 && !names.includes(name)) continue;
    console.log(`\n== ${name}: ${command}`);
    const startedAt = Date.now();
    const { status, error } = spawnSync(command, { shell: true, stdio: 'inherit' });
    if (error !== undefined || status !== 0) fail(`${name} failed · to repeat it: ${command}`);
    times.push(`${name} ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }
  console.log(`\ncheck: all passed · ${times.join(' · ')}`);
}

function fail(message) {
  console.error(`\ncheck: ${message}`);
  process.exit(1);
}
