import fs from 'node:fs';
import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { until } from '../support/deadline.ts';
import { attachDebugger } from '../support/inspector.ts';
import { createMatcher } from '../support/problem-matcher.ts';
import { Recipe } from '../support/recipe.ts';

test('the task sees the beginning and the end of each run and its errors, and a debugger attaches again', async () => {
  await using recipe = await Recipe.open('vscode');
  const { tasks } = parse(fs.readFileSync(recipe.project.at('.vscode/tasks.json'), 'utf8'));
  const { configurations } = parse(fs.readFileSync(recipe.project.at('.vscode/launch.json'), 'utf8'));
  const { port } = configurations[0];
  const seen = () => createMatcher(tasks[0].problemMatcher)(recipe.output.replaceAll('\r', '').split('\n'));
  const isIn = (state: string, runs: number) =>
    until(
      `${state} after ${runs} runs`,
      () => seen().state === state && seen().runs === runs,
      () => [recipe.output],
    );

  recipe.start(tasks[0].command);
  await isIn('idle', 1);
  await recipe.answers('Hello');
  const first = await attachDebugger(port);
  recipe.edit('greeting.js', 'Hello', 'Welcome');
  await first.closed;
  await recipe.answers('Welcome');
  await isIn('idle', 2);
  const second = await attachDebugger(port);
  expect(second.target).not.toBe(first.target);

  recipe.edit('greeting.js', '=> ', '=> ;');
  await recipe.shows(/waiting for a change/);
  await isIn('idle', 3);
  const file = recipe.project.at('greeting.js');
  expect(seen().problems).toEqual([{ file, line: 1, message: "SyntaxError: Unexpected token ';'" }]);
  recipe.edit('greeting.js', '=> ;', '=> ');
  await recipe.answers('Welcome');
  await isIn('idle', 4);
  expect(seen().problems).toEqual([]);
  await recipe.showsTranscript();
  await recipe.quit();
});
