import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

interface User {
  readonly id: number;
  readonly name: string;
}

const body = z.object({ name: z.string().min(1) });
const all: User[] = [];

/** Users that live as long as the process. */
export async function users(app: FastifyInstance): Promise<void> {
  app.get('/users', async (): Promise<readonly User[]> => all);
  app.post('/users', async (request): Promise<User> => {
    const user: User = { id: all.length, ...body.parse(request.body) };
    all.push(user);
    return user;
  });
}
