import { createServer } from 'node:http';

const version = 0; // Replaced at each save.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

createServer((_request, response) => response.end(`version ${version}\n`)).listen(0);
