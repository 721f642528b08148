const version = 0; // Replaced at each save.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

const { createServer } = require('node:http');
createServer((_request, response) => response.end(`version ${version}\n`)).listen(0);
