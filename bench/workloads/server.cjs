const version = 0; // Each save writes another one.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

const { createServer } = require('node:http');
createServer((_request, response) => response.end(`version ${version}\n`)).listen(0);
