import { Injectable } from '@nestjs/common';

export interface User {
  readonly id: number;
  readonly name: string;
}

@Injectable()
export class UsersService {
  readonly all: User[] = [];

  add(name: string): User {
    const user: User = { id: this.all.length, name };
    this.all.push(user);
    return user;
  }
}
