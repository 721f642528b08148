const packages = [
  'express mongoose body-parser cors helmet morgan compression cookie-parser express-session passport multer',
  'jsonwebtoken bcryptjs joi zod lodash moment date-fns axios winston uuid dotenv',
  'socket.io ioredis nodemailer stripe graphql',
];
const [express] = packages.flatMap((line) => line.split(' ')).map((name) => require(name));

const version = 0; // Replaced at each save.
const app = express();
app.get('/', (_request, response) => response.json({ version }));
app.listen(0, () => console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`));
