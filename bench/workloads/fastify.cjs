const fastify = require('fastify');
const { port, answerAfter } = require('./setup.json');

const version = 0; // Replaced at each save.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

const app = fastify();
app.get('/', async (_request, reply) => {
  await new Promise((resolve) => setTimeout(resolve, answerAfter));
  return reply.header('X-Version', version).send({ version });
});
app.listen({ port });
