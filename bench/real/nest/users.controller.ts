import { Body, Controller, Get, Post, ValidationPipe } from '@nestjs/common';
import { IsNotEmpty, IsString } from 'class-validator';
import { type User, UsersService } from './users.service';

class NewUser {
  @IsString()
  @IsNotEmpty()
  name!: string;
}

@Controller('users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get()
  list(): readonly User[] {
    return this.users.all;
  }

  @Post()
  add(@Body(new ValidationPipe({ transform: true })) { name }: NewUser): User {
    return this.users.add(name);
  }
}
