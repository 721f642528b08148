// A CommonJS program that tells everything about itself.
const { aboutModule, aboutProcess, say } = require('./common.cjs');

say({
  ...aboutProcess(),
  module: aboutModule(module, require),
  wrapper: [__filename, __dirname, typeof exports, this === module.exports],
});
