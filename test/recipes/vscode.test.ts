import fs from 'node:fs';
import http from 'node:http';
import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { until } from '../support/deadline.ts';
import { createMatcher } from '../support/problem-matcher.ts';
import { Recipe } from '../support/recipe.ts';

/** Attaches a debugger as an editor does; resolves when the target has accepted it. */
async function attach(port: number): Promise<{ readonly target: string; readonly closed: Promise<void> }> {
  const list = await new Promise<string>((resolve, reject) => {
    const request = http.get({ port, path: '/json/list', agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
  const [{ id }] = JSON.parse(list);
  const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
  const request = http.get({
    port,
    path: `/${id}`,
    headers: { ...headers, 'Sec-WebSocket-Key': 'ZGV2d2F0Y2ggcmVjaXBlcw==' },
  });
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', ({ statusCode }) => reject(new Error(`not accepted: ${statusCode}`)));
    request.on('upgrade', (_, socket) => {
      const closed = new Promise<void>((close) => socket.on('close', () => close()).resume());
      resolve({ target: id, closed });
    });
  });
}

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
  const first = await attach(port);
  recipe.edit('greeting.js', 'Hello', 'Welcome');
  await first.closed;
  await recipe.answers('Welcome');
  await isIn('idle', 2);
  const second = await attach(port);
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
