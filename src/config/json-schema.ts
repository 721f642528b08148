/** The JSON Schema of `.watchrc`, which editors use. */

import { kindOf } from './option-kinds.ts';
import { optionKeys, specOf } from './options.ts';

/** Returns the JSON Schema of `.watchrc`. */
export function jsonSchema(): object {
  const properties = Object.fromEntries(
    optionKeys.map((key) => {
      const spec = specOf(key);
      const byDefault = spec.default === undefined ? {} : { default: spec.default };
      return [key, { description: spec.help, ...kindOf(spec).schema(spec), ...byDefault }];
    }),
  );
  const settings = { type: 'object', properties, additionalProperties: false };
  const program = { anyOf: [{ type: 'string', minLength: 1 }, settings] };
  const named = { type: 'object', additionalProperties: program };
  const apps = { description: appsHelp, anyOf: [named, { type: 'array', items: program, minItems: 1 }] };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'devwatch settings',
    type: 'object',
    properties: { $schema: { type: 'string' }, apps, ...properties },
    additionalProperties: false,
  };
}

const appsHelp = 'several programs by their names, or a list of scripts; the other keys apply to each of them';
