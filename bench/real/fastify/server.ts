import fastify from 'fastify';
import { plugins } from './plugins.ts';
import { users } from './users.ts';

const version: number = 0; // Replaced at each save.
const app = fastify();
for (const plugin of plugins) app.register(plugin);
app.register(users);
app.get('/', async () => ({ version }));
await app.listen({ port: 0 });
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);
