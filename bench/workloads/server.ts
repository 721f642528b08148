import { createServer, type ServerResponse } from 'node:http';

const version: number = 0; // Replaced at each save.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

const answer = (response: ServerResponse): ServerResponse => response.end(`version ${version}\n`);
createServer((_request, response) => answer(response)).listen(0);
