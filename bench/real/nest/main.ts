import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module';

const version: number = 0; // Replaced at each save.

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  await app.listen(0);
  console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);
}

void bootstrap();
