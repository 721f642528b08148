// The promises of devwatch on every platform, as scenarios that the same file runs on Windows, macOS and Linux, and with
// Node for Windows in Wine (scripts/windows-in-wine): node test/platforms/scenarios.mjs [--list] [words of names...]
//
// DEVWATCH_PACKAGE   the folder of the package under test; by default this repository, which has to be built
// DEVWATCH_CTRL_C    a command that sends Ctrl-C to the console, where no pseudo-console is to be had
// DEVWATCH_WINE_8    set in Wine: what only Windows itself can show is skipped

import fs from 'node:fs';
import { cli, createRig } from './rig.mjs';
import { scenarios as commands } from './scenarios/commands.mjs';
import { scenarios as ending } from './scenarios/ending.mjs';
import { scenarios as facilities } from './scenarios/facilities.mjs';
import { scenarios as node } from './scenarios/node.mjs';
import { scenarios as saves } from './scenarios/saves.mjs';
import { scenarios as settings } from './scenarios/settings.mjs';

const all = [...saves, ...commands, ...ending, ...node, ...settings, ...facilities];
const words = process.argv.slice(2);

if (words.includes('--list')) {
  for (const { name } of all) console.log(name);
} else {
  const code = await runAll(all.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word))));
  // In Wine, a process that does not die may hold the output of its devwatch open.
  process.stdout.write('', () => process.exit(code));
}

async function runAll(chosen) {
  if (!fs.existsSync(cli)) throw new Error(`${cli} is missing · npm run build`);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const startedAt = performance.now();
  for (const scenario of chosen) {
    const result = await runOne(scenario);
    counts[result.is] += 1;
    console.log(`${result.is.padEnd(7)} ${scenario.name}${result.is === 'skipped' ? ` · ${result.why}` : ''}`);
    if (result.is === 'failed') console.log(result.why.replaceAll(/^/gm, '        '));
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const { platform, arch, version } = process;
  const { passed, failed, skipped } = counts;
  console.log(
    `\n${platform} ${arch}, Node ${version}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`,
  );
  return failed > 0 || passed === 0 ? 1 : 0;
}

async function runOne({ name, skip, run }) {
  const why = skip?.();
  if (typeof why === 'string') return { is: 'skipped', why };
  const rig = await createRig(name);
  try {
    await run(rig);
    return { is: 'passed' };
  } catch (error) {
    return { is: 'failed', why: error.stack };
  } finally {
    await rig.close();
  }
}
