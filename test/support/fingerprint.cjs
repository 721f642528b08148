// Hash over the names and contents of all .js files of a tree.
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

/** Links to folders are followed, but in no circle. What vanishes while it is being read is left out. */
module.exports = function fingerprint(root) {
  const hash = createHash('sha1');

  function read(folder, name, above) {
    const real = fs.realpathSync(folder);
    if (above.includes(real)) return;
    for (const entry of fs.readdirSync(folder).sort()) {
      if (entry === 'node_modules' || entry.startsWith('.')) continue;
      const full = path.join(folder, entry);
      const relative = `${name}/${entry}`;
      try {
        const stats = fs.statSync(full);
        if (stats.isDirectory()) read(full, relative, [...above, real]);
        else if (entry.endsWith('.js')) hash.update(`${relative}\0${fs.readFileSync(full, 'utf8')}\0`);
      } catch (error) {
        if (!['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(error.code)) throw error;
      }
    }
  }

  read(root, '', []);
  return hash.digest('hex');
};
