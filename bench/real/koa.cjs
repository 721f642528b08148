const packages = [
  'koa @koa/router koa-bodyparser sequelize socket.io bullmq pg ioredis nodemailer zod multer',
  'jsonwebtoken bcryptjs lodash moment winston',
];
const [Koa] = packages.flatMap((line) => line.split(' ')).map((name) => require(name));

const version = 0; // Replaced at each save.
const app = new Koa();
app.use((context) => {
  context.body = { version };
});
app.listen(0, () => console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`));
