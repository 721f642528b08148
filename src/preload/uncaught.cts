/**
 * Judges an uncaught error: whether another run would fail in the same way, and which module is missing. An error that
 * comes from the system or the network may pass, and so may one about which too little is known. Also describes it, for
 * the line that reports the crash.
 */

import type { ThrownValue, UncaughtError } from './protocol.ts' with { 'resolution-mode': 'import' };

/** Properties in which errors keep the errors that caused them; all but the first two are customs of libraries. */
const links = ['cause', 'errors', 'context', 'parent', 'original', 'originalError', 'reason', 'error', 'err', 'inner'];
/** Errors are followed up to this number; an error may lead to large graphs of objects. */
const maxErrors = 30;

/** Codes of the system and of its resolver: `ECONNREFUSED`, `EAI_AGAIN`. Node's own begin with `ERR_`. */
const systemCode = /^(?:E(?!RR_)[A-Z][A-Z0-9_]+|UND_ERR_\w+)$/;
/** Errors of the language: their messages quote the program's own words. */
const languageErrors = new Set([
  'ReferenceError',
  'TypeError',
  'RangeError',
  'SyntaxError',
  'URIError',
  'EvalError',
  'AssertionError',
]);
/** Libraries report a service that is not there in many words. */
const passingWords =
  /\bE(?:CONN|TIMEDOUT|AI_|NOTFOUND|PIPE|HOST|NET|ADDR|BUSY|AGAIN)|connect|network|socket|timed?[ _-]?out|unavailable|unreachable|can(?:'t|not) reach|refused|reset by|retries|rate limit|too many|starting up|not ready|\block(?:ed|s)?\b|\b(?:TLS|SSL|HTTP2)_/i;

const missingModule = /^(?:ERR_)?MODULE_NOT_FOUND$/;
/** Errors of compilers: of ts-node, esbuild and tsx, SWC, Babel. */
const compilerErrors = /^(?:TSError|TransformError|GenericFailure|BABEL_\w+)$/;

/** Errors of Node about files in TypeScript that its own compiler does not run. */
const typeErrors = /^ERR_UNSUPPORTED_(?:TYPESCRIPT_SYNTAX|NODE_MODULES_TYPE_STRIPPING)$/;

interface Facts {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly isFromSystem: boolean;
  readonly value: unknown;
}

function judge(error: unknown): UncaughtError {
  const chain = chainOf(error).map(factsOf);
  if (chain.some(isAboutTypes)) return { fault: 'defect', needsLoader: true };
  const absent = chain.find(({ code }) => missingModule.test(code));
  const missing = absent && missingOf(absent);
  if (read(error, 'code') === 'EPIPE') return { isBrokenPipe: true };
  if (chain.some(({ isFromSystem }) => isFromSystem)) return { missing };
  if (absent !== undefined || chain.some(isDefect)) return { fault: 'defect', missing };
  return chain.some(mayPass) ? {} : { fault: 'uncaught-error' };
}

/** The error, and those that it names as its causes. */
function chainOf(error: unknown): readonly unknown[] {
  const chain = new Set([error]);
  for (const one of chain) {
    if (typeof one !== 'object' || one === null) continue;
    for (const link of links) {
      const next = read(one, link);
      for (const cause of Array.isArray(next) ? next : [next]) {
        if (chain.size < maxErrors && cause !== undefined && cause !== null && cause !== '') chain.add(cause);
      }
    }
  }
  return [...chain];
}

function factsOf(value: unknown): Facts {
  const code = textOf(read(value, 'code'));
  const errno = read(value, 'errno');
  return {
    value,
    code,
    name: textOf(read(value, 'name')),
    // A program may throw anything.
    message: typeof value === 'object' ? textOf(read(value, 'message')) : textOf(value),
    isFromSystem: systemCode.test(code) || (typeof errno === 'number' && errno !== 0) || systemCode.test(textOf(errno)),
  };
}

/** Whether a file is wrong, whatever the program does. */
function isDefect({ name, code, message }: Facts): boolean {
  // Text that is not JSON may have come from the network.
  if (name === 'SyntaxError') return !/\bJSON\b/.test(message);
  return compilerErrors.test(name) || compilerErrors.test(code) || message.startsWith('Transform failed with ');
}

const isAboutTypes = ({ code, message }: Facts): boolean =>
  typeErrors.test(code) || (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /"\.(?:[mc]?ts|tsx)"/.test(message));

function mayPass({ name, code, message }: Facts): boolean {
  if (languageErrors.has(name)) return false;
  // A rejection with an object: Node keeps nothing of it.
  if (code === 'ERR_UNHANDLED_REJECTION' && message.includes('with the reason "#<')) return true;
  return passingWords.test(`${name} ${code} ${message}`);
}

/** Returns the request for the module, and the file that made it. */
function missingOf({ message, value }: Facts): UncaughtError['missing'] {
  const [, request] = /^Cannot find (?:module|package) '([^']+)'/.exec(message) ?? [];
  if (request === undefined) return undefined;
  const stack = read(value, 'requireStack');
  const [, importer] = /' imported from (.+)$/m.exec(message) ?? [];
  const from = Array.isArray(stack) ? textOf(stack[0]) : importer;
  return { request, ...(from && { from }) };
}

function read(value: unknown, key: string): unknown {
  try {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  } catch {
    return undefined;
  }
}

/** Returns a text or a number as a text; empty for anything else. */
const textOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? `${value}` : '');

/** Errors that are described: the one that was thrown, and its nearest causes. */
const maxDescribed = 6;
/** In characters. */
const maxMessageLength = 2000;
const maxStackLength = 8000;

/** Describes the error and its causes. Runs no code of the program but getters, and functions that format stacks. */
function describe(error: unknown): readonly ThrownValue[] {
  const [first, ...causes] = chainOf(error).map(describeError).slice(0, maxDescribed);
  const known = causes.filter((one) => one !== undefined);
  return [first ?? { name: '', message: inspectOutside(error), stack: '' }, ...known];
}

function describeError(value: unknown): ThrownValue | undefined {
  const stack = read(value, 'stack');
  if (typeof stack !== 'string') return undefined;
  const { name, message } = factsOf(value);
  return { name, message: message.slice(0, maxMessageLength), stack: stack.slice(0, maxStackLength) };
}

/** Returns a value as text, without calling methods or getters of it. */
function inspectOutside(value: unknown): string {
  const { inspect } = require('node:util') as typeof import('node:util');
  return inspect(value, {
    customInspect: false,
    showProxy: true,
    depth: 0,
    breakLength: Number.POSITIVE_INFINITY,
    maxStringLength: maxMessageLength,
  });
}

export type { describe, judge };

module.exports = { describe, judge };
