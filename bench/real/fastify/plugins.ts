import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import jwt from '@fastify/jwt';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

type Plugin = (app: FastifyInstance) => Promise<void>;

const authentication: Plugin = async (app) => {
  await app.register(jwt, { secret: 'the secret of the benchmark, which is no secret' });
};
const limits: Plugin = async (app) => {
  await app.register(rateLimit, { max: 1000 });
};

export const plugins: readonly Plugin[] = [
  ...[cookie, cors, helmet, swagger].map((plugin) => fp(async (app) => void (await app.register(plugin as never)))),
  ...[authentication, limits].map((plugin) => fp(plugin)),
];
