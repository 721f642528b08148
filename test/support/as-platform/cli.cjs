/** The built command on another system: see switch.cjs. */

require('./switch.cjs');
require('../../../dist/cli.cjs');
