/** The kinds of options: how a value of each is read, described by the JSON Schema, merged and written as a flag. */

import path from 'node:path';
import { formatDuration } from '../shared/format.ts';
import { healthDefaults, hookNames } from './defaults.ts';
import type { OptionKind, OptionSpec } from './options.ts';
import {
  readAnyText,
  readChoice,
  readCount,
  readDuration,
  readExtensions,
  readGlob,
  readHealth,
  readHooks,
  readList,
  readMap,
  readPort,
  readReadiness,
  readSelection,
  readSignal,
  readSize,
  readSwitch,
  readText,
  readVariable,
} from './values.ts';

interface Kind {
  /** Returns the checked value. @throws ValueError */
  readonly read: (raw: unknown, spec: OptionSpec) => unknown;
  /** Returns the JSON Schema of the values that users may write. */
  readonly schema: (spec: OptionSpec) => object;
  /** The flag takes no value (but perhaps `=value`). */
  readonly isSwitch?: true;
  /** The entries of a program under `apps` are added to the common ones, instead of replacing them. */
  readonly isMap?: true;
  /** Makes a value absolute. */
  readonly resolve?: (value: unknown, folder: string) => unknown;
  /** Formats a value for people. */
  readonly format?: (value: unknown) => string;
}

const textOrTexts = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] };
const text = { type: 'string', minLength: 1 };
const matching = (pattern: string): object => ({ type: 'string', pattern });

const kinds: Readonly<Record<OptionKind, Kind>> = {
  switch: { read: readSwitch, schema: () => ({ type: 'boolean' }), isSwitch: true },
  selection: {
    read: readSelection,
    schema: () => ({ anyOf: [{ type: 'boolean' }, ...textOrTexts.anyOf] }),
    isSwitch: true,
  },
  text: { read: readText, schema: () => text },
  texts: {
    // A single empty text is a mistake, an empty argument in a list is an argument.
    read: (raw) => readList(raw, Array.isArray(raw) ? readAnyText : readText),
    schema: () => textOrTexts,
  },
  path: { read: readText, schema: () => text, resolve: (value, folder) => path.resolve(folder, String(value)) },
  paths: {
    read: (raw) => readList(raw, readText),
    schema: () => textOrTexts,
    resolve: (value, folder) => Object.freeze([value].flat().map((file) => path.resolve(folder, String(file)))),
  },
  globs: { read: (raw) => readList(raw, readGlob), schema: () => textOrTexts },
  extensions: {
    read: readExtensions,
    schema: () => ({ anyOf: [text, { type: 'array', items: { type: 'string' }, minItems: 1 }] }),
  },
  duration: {
    read: readDuration,
    schema: () => ({ anyOf: [{ type: 'number', minimum: 0 }, matching('^\\d+(\\.\\d+)?\\s*(ms|s|m)?$')] }),
    format: (value) => formatDuration(Number(value)),
  },
  count: { read: readCount, schema: () => ({ type: 'integer', minimum: 0 }) },
  choice: {
    read: (raw, { choices = [] }) => readChoice(raw, choices),
    schema: ({ choices = [] }) => ({ enum: choices }),
  },
  signal: { read: readSignal, schema: () => matching('^([Ss][Ii][Gg])?[A-Za-z0-9]+$') },
  commands: {
    read: (raw) => readMap(raw, (value) => (Array.isArray(value) ? readList(value, readText) : readText(value))),
    schema: () => ({ type: 'object', additionalProperties: textOrTexts }),
    isMap: true,
  },
  size: {
    read: readSize,
    schema: () => ({ anyOf: [{ type: 'number', minimum: 1 }, matching('^\\d+(\\.\\d+)?\\s*[kKmMgG]?[bB]?$')] }),
  },
  port: {
    read: readPort,
    schema: () => ({ anyOf: [{ type: 'boolean' }, { type: 'integer', minimum: 0, maximum: 65_535 }] }),
    isSwitch: true,
  },
  health: { read: readHealth, schema: healthSchema },
  readiness: { read: readReadiness, schema: () => matching('^(listen$|message$|exit$|https?://|tcp://|/)') },
  hooks: { read: readHooks, schema: hooksSchema, isMap: true },
  variables: {
    read: (raw) => readMap(raw, readVariable),
    schema: () => ({ type: 'object', additionalProperties: { type: ['string', 'number'] } }),
    isMap: true,
  },
};

export const kindOf = ({ kind }: OptionSpec): Kind => kinds[kind];

/**
 * Returns the value of an option, checked.
 *
 * @param raw a text from the command line or the environment, or any JSON value
 * @throws ValueError that says what the option takes
 */
export const readValue = (spec: OptionSpec, raw: unknown): unknown => kindOf(spec).read(raw, spec);

function healthSchema(): object {
  const duration = { type: ['number', 'string'] };
  const probe = matching('^(https?://|tcp://|event-loop$)');
  const properties = {
    probe,
    interval: duration,
    timeout: duration,
    grace: duration,
    failures: { type: 'integer', minimum: 1 },
    failOn: { type: 'array', items: { enum: healthDefaults.failOn } },
  };
  return { anyOf: [probe, { type: 'object', properties, required: ['probe'], additionalProperties: false }] };
}

function hooksSchema(): object {
  const shell = { type: 'object', properties: { shell: { type: 'string' } }, required: ['shell'] };
  return {
    type: 'object',
    propertyNames: { enum: hookNames },
    additionalProperties: { anyOf: [...textOrTexts.anyOf, shell] },
  };
}
