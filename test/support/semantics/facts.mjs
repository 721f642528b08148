// The same as an ES module.
import { createRequire } from 'node:module';
import common from './common.cjs';

const require = createRequire(import.meta.url);
const { default: imported } = await import('./data.json', { with: { type: 'json' } });
const { url, filename, dirname, main } = import.meta;

common.say({
  ...common.aboutProcess(),
  meta: { url, filename, dirname, main, keys: common.names(import.meta), resolved: import.meta.resolve('./data.json') },
  module: {
    main: typeof require.main,
    mainModule: typeof process.mainModule,
    cache: Object.keys(require.cache),
    pathCache: Object.keys(require('node:module')._pathCache),
  },
  imported,
  this: typeof this,
});
