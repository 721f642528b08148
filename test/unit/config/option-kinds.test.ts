import { expect, test } from 'vitest';
import { kindOf, readValue } from '../../../src/config/option-kinds.ts';
import { optionKeys, specOf } from '../../../src/config/options.ts';

test.each(optionKeys)('the kind of %s reads its default and has a schema', (key) => {
  const spec = specOf(key);
  if (spec.default !== undefined) expect(readValue(spec, spec.default)).toEqual(spec.default);
  expect(Object.keys(kindOf(spec).schema(spec))).not.toEqual([]);
});

test('flags without a value are those of switches, selections, ports and addresses', () => {
  const switches = optionKeys.map(specOf).filter((spec) => kindOf(spec).isSwitch === true);
  expect(new Set(switches.map(({ kind }) => kind))).toEqual(new Set(['switch', 'selection', 'port', 'address']));
  for (const { value } of switches) expect(value).toBeUndefined();
});

test('paths are made absolute against the folder in which they were written', () => {
  expect(kindOf(specOf('cwd')).resolve?.('app', '/here')).toBe('/here/app');
  expect(kindOf(specOf('envFile')).resolve?.(['.env', '/etc/env'], '/here')).toEqual(['/here/.env', '/etc/env']);
});
