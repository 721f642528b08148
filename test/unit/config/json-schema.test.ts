import fs from 'node:fs';
import jsonc from 'jsonc-parser';
import { expect, test } from 'vitest';
import { defaultSettings } from '../../../src/config/defaults.ts';
import { jsonSchema } from '../../../src/config/json-schema.ts';
import { readValue } from '../../../src/config/option-kinds.ts';
import { type OptionKey, optionKeys, specOf } from '../../../src/config/options.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly pattern?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly title?: string;
  readonly $schema?: string;
}

const schema = jsonSchema() as Schema;
const understood = new Set(
  'type enum anyOf items properties additionalProperties propertyNames required minimum maximum minLength minItems pattern description default title $schema'.split(
    ' ',
  ),
);

function isOfType(value: unknown, type: string): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return type === 'integer' ? Number.isInteger(value) : typeof value === type;
}

/** JSON Schema, as much of it as ours uses; it trips over anything else. */
function conforms(value: unknown, to: Schema): boolean {
  for (const word of Object.keys(to)) if (!understood.has(word)) throw new Error(`unknown schema word ${word}`);
  const { properties = {}, additionalProperties: others = true } = to;
  const entries = isOfType(value, 'object') ? Object.entries(value as object) : [];
  return (
    (to.type === undefined || [to.type].flat().some((type) => isOfType(value, type))) &&
    (to.enum === undefined || to.enum.includes(value)) &&
    (to.anyOf === undefined || to.anyOf.some((branch) => conforms(value, branch))) &&
    (typeof value !== 'number' || (value >= (to.minimum ?? value) && value <= (to.maximum ?? value))) &&
    entries.every(([key]) => conforms(key, to.propertyNames ?? {})) &&
    (to.required ?? []).every((key) => entries.some(([name]) => name === key)) &&
    (typeof value !== 'string' ||
      (value.length >= (to.minLength ?? 0) && (to.pattern === undefined || new RegExp(to.pattern).test(value)))) &&
    (!Array.isArray(value) ||
      (value.length >= (to.minItems ?? 0) && value.every((element) => conforms(element, to.items ?? {})))) &&
    entries.every(([key, inner]) => {
      const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
      return own === undefined
        ? others !== false && conforms(inner, others === true ? {} : others)
        : conforms(inner, own);
    })
  );
}

test('the schema has exactly the keys of the table, with descriptions', () => {
  expect(Object.keys(schema.properties ?? {}).sort()).toStrictEqual(['$schema', 'apps', ...optionKeys].sort());
  expect(schema.additionalProperties).toBe(false);
  for (const key of optionKeys) expect(schema.properties?.[key]?.description, key).toMatch(/\w/);
});

test.each([
  [{ web: { script: 'web.js', after: ['api'] }, api: 'api.js' }, true],
  [['web.js', { name: 'api', exec: 'npm start' }], true],
  ['web.js', false],
  [[], false],
  [{ web: { scirpt: 'web.js' } }, false],
  [{ web: { apps: {} } }, false],
])('the schema takes "apps": %j → %s', (apps, isValid) => {
  expect(conforms({ apps }, schema)).toBe(isValid);
});

test('the schema can be written as JSON', () => {
  expect(JSON.parse(JSON.stringify(schema))).toStrictEqual(schema);
});

test('the defaults conform to the schema, and it names them', () => {
  const defaults = Object.fromEntries(Object.entries(defaultSettings).filter(([, value]) => value !== undefined));
  expect(conforms(defaults, schema)).toBe(true);
  for (const [key, value] of Object.entries(defaults)) expect(schema.properties?.[key]?.default).toBe(value);
});

test.each<[OptionKey, unknown, boolean]>([
  ['delay', 250, true],
  ['delay', '1.5s', true],
  ['delay', '5 s', true],
  ['delay', 'soon', false],
  ['delay', -1, false],
  ['delay', true, false],
  ['maxRestarts', 0, true],
  ['maxRestarts', 1.5, false],
  ['maxRestarts', -1, false],
  ['restart', 'always', true],
  ['restart', 'allways', false],
  ['signal', 'int', true],
  ['signal', '', false],
  ['watch', 'src', true],
  ['watch', ['src', 'lib'], true],
  ['watch', ['src', 5], false],
  ['watch', {}, false],
  ['ext', 'js,ts', true],
  ['ext', ['js'], true],
  ['ext', '', false],
  ['ext', [], false],
  ['args', ['a', ''], true],
  ['execMap', { rb: 'ruby', py: ['python3', '-u'] }, true],
  ['execMap', { rb: 5 }, false],
  ['execMap', [], false],
  ['env', { A: 'x', B: 5, C: '' }, true],
  ['env', { A: true }, false],
  ['script', 'a.js', true],
  ['script', '', false],
  ['quiet', true, true],
  ['quiet', 'yes', false],
])('the schema and the validation agree on %s %j: %s', (key, value, good) => {
  const validates = (): boolean => {
    try {
      readValue(specOf(key), value);
      return true;
    } catch {
      return false;
    }
  };
  expect([conforms({ [key]: value }, schema), validates()]).toStrictEqual([good, good]);
});

test('an unknown key does not conform', () => {
  expect(conforms({ wacth: 'src' }, schema)).toBe(false);
});

test('.watchrc.example conforms to the schema', () => {
  const example: unknown = jsonc.parse(fs.readFileSync('.watchrc.example', 'utf8'));
  expect(example).toHaveProperty('$schema');
  expect(conforms(example, schema)).toBe(true);
});
