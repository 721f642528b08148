/**
 * Finds the place of a syntax error in an ES module, which Node prints but gives to no handler: a process of the same Node
 * compiles the modules that the program imports, and runs none of them.
 */

import { execFile } from 'node:child_process';
import type { SourceLocation } from '../../shared/events.ts';
import { syntaxLocation } from './program-error.ts';

/** Node compiles about a thousand modules in this time. The report of the crash waits for it. */
const timeoutMs = 1000;

/**
 * Compiles files and what they import by relative paths, until one has the error of this message: Node prints its place.
 * CommonJS may be no valid ES module for another reason.
 */
const compileAll = `
  const fs = require('fs'), path = require('path'), vm = require('vm');
  const [message, ...roots] = process.argv.slice(1);
  const files = new Set(roots);
  for (const file of files) {
    if (!/\\.[cm]?js$/.test(file) || !fs.existsSync(file)) continue;
    try {
      const module = new vm.SourceTextModule(fs.readFileSync(file, 'utf8'), { identifier: file });
      const requests = module.moduleRequests?.map(({ specifier }) => specifier) ?? module.dependencySpecifiers;
      for (const request of requests) {
        if (/^\\.\\.?\\//.test(request)) files.add(path.resolve(path.dirname(file), request));
      }
    } catch (error) {
      if (error.message === message) throw error;
    }
  }`;

/**
 * Returns the place of the syntax error with this message; undefined if it is not found in time.
 *
 * @param node absolute path of the Node that has run the program
 * @param roots absolute paths of files from which the module can be reached, the likeliest first
 */
export function findSyntaxError(
  node: string,
  message: string,
  roots: readonly string[],
): Promise<SourceLocation | undefined> {
  const flags = ['--no-warnings', '--experimental-vm-modules', '--input-type=commonjs', '--eval', compileAll, '--'];
  const { NODE_OPTIONS: _, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      node,
      [...flags, message, ...roots],
      { timeout: timeoutMs, env, windowsHide: true },
      (_error, _out, printed) => resolve(syntaxLocation(printed)[0]),
    );
  });
}
